"""The lake: how many rows, how new, and how many messages were rejected."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from movie_recommender.lake import DEAD_LETTERS, TABLES, Freshness, LakeFreshness
from movie_recommender.settings import Settings


@dataclass(frozen=True)
class LakeFacts:
    """The lake's tables that exist, by name."""

    tables: Mapping[str, Freshness]

    @property
    def rows(self) -> int:
        """Of all events, without the dead letters."""
        return sum(found.rows for found in self._of_events())

    @property
    def dead_letters(self) -> int:
        """Rejected messages that lie there."""
        return self.tables[DEAD_LETTERS].rows if DEAD_LETTERS in self.tables else 0

    @property
    def dead_letter_share(self) -> float:
        """Of all messages that were taken; 0 where there are none."""
        return self.dead_letters / max(1, self.rows + self.dead_letters)

    @property
    def newest_event(self) -> datetime | None:
        """When the last event happened."""
        return max(filter(None, (f.newest_event for f in self._of_events())), default=None)

    @property
    def newest_arrival(self) -> datetime | None:
        """When the last event was landed."""
        return max(filter(None, (f.newest_arrival for f in self._of_events())), default=None)

    def _of_events(self) -> list[Freshness]:
        return [found for table, found in self.tables.items() if table != DEAD_LETTERS]


def read(settings: Settings) -> LakeFacts:
    """What Delta's logs say; no data file is opened.

    Raises:
        StorageError: a table can't be read.
    """
    lake = LakeFreshness(settings.data_lake_path)
    found = {table: lake.freshness(table) for table in TABLES}
    return LakeFacts({table: fresh for table, fresh in found.items() if fresh is not None})
