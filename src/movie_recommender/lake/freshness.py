"""How new a table's rows are, from Delta's statistics: no data file is opened."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.lake.store import Lake


@dataclass(frozen=True)
class Freshness:
    """A table's newest rows.

    Attributes:
        version: of the table.
        rows: that it has.
        newest_event: the last `event_time`; None without rows, or where the table has none.
        newest_arrival: the last `ingestion_time`; None without rows.
    """

    version: int
    rows: int
    newest_event: datetime | None
    newest_arrival: datetime | None


class LakeFreshness(Lake):
    """The lake, and how new it is."""

    def freshness(self, table: str) -> Freshness | None:
        """Of the newest version; None when the table doesn't exist.

        Delta keeps instants to the millisecond.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        if opened is None:
            return None
        with self._refusals(table, "read"):
            files = pa.table(opened.get_add_actions(flatten=True))
        return Freshness(
            version=int(opened.version()),
            rows=pc.sum(files["num_records"]).as_py() or 0 if files.num_rows else 0,
            newest_event=_newest(files, "max.event_time"),
            newest_arrival=_newest(files, "max.ingestion_time"),
        )


def _newest(files: pa.Table, column: str) -> datetime | None:
    if column not in files.column_names:
        return None
    newest: datetime | None = pc.max(files[column]).as_py()
    return newest
