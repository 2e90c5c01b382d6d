"""Events that the producer sent more than once: one row for each event id and event date."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from movie_recommender.errors import StorageError
from movie_recommender.lake.storage import reason

Rows = npt.NDArray[np.int64]


def event_dates(rows: pa.Table) -> list[date]:
    """The distinct `event_date`s of `rows`, sorted."""
    return sorted(pc.unique(rows["event_date"]).to_pylist())


def drop_duplicates(rows: pa.Table, landed: pads.Dataset, dates: Sequence[date]) -> pa.Table:
    """`rows` without duplicates, by a `Deduplicator` of its own."""
    with Deduplicator() as deduplicator:
        return deduplicator.drop(rows, landed, dates)


class Deduplicator:
    """Leaves out what is known already, batch by batch; a context manager.

    A resent event has the same id and the same time, so only the lake's rows of the same dates are
    looked at, and an id that comes again with another date is another event. Memory is bounded by
    the batch: the lake's rows pass by.
    """

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        # Left alone, DuckDB would put the lake's rows into memory and let the batch pass by.
        self._connection.execute("SET disabled_optimizers = 'build_side_probe_side'")

    def __enter__(self) -> "Deduplicator":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def drop(self, rows: pa.Table, landed: pads.Dataset, dates: Sequence[date]) -> pa.Table:
        """`rows` without those whose event is already among them or in the lake, in one piece.

        Of several messages with one event the first row stays.

        Args:
            rows: columns of `events.lake_schema`.
            landed: the topic's lake table, at least the files of `dates`.
            dates: the event dates of `rows`.

        Raises:
            StorageError: the lake's rows can't be read.
        """
        if not rows.num_rows:
            return rows
        self._connection.register(
            "events",
            rows.select(["event_id", "event_date"]).append_column(
                "row", pa.array(np.arange(rows.num_rows))
            ),
        )
        with _refusals(dates):
            again = np.concatenate([self._repeated(), self._landed(landed, dates)])
        first = np.ones(rows.num_rows, dtype=bool)
        first[again] = False
        return rows.combine_chunks().filter(pa.array(first))

    def _landed(self, landed: pads.Dataset, dates: Sequence[date]) -> Rows:
        """Rows of `events` that are in the lake."""
        known = landed.scanner(
            columns=["event_id", "event_date"],
            filter=pc.field("event_date").isin(pa.array(dates, pa.date32())),
            batch_readahead=2,
            fragment_readahead=2,
        )
        self._connection.register("known", known.to_reader())
        query = "SELECT DISTINCT row FROM known JOIN events USING (event_id, event_date)"
        return np.asarray(self._connection.sql(query).to_arrow_table()["row"])

    def _repeated(self) -> Rows:
        """Rows of `events` whose event is in an earlier row.

        Sorted hashes tell in a third of the time which few rows are worth a comparison.
        """
        query = "SELECT row, hash(event_id, event_date) AS hash FROM events"
        hashed = self._connection.sql(query).to_arrow_table()
        hashes = np.asarray(hashed["hash"])
        ordered = np.sort(hashes)
        suspects = np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])
        self._connection.register("suspects", hashed.filter(pa.array(suspects)))
        query = """
            SELECT row FROM (
                SELECT row, min(row) OVER (PARTITION BY event_id, event_date) AS first
                FROM events SEMI JOIN suspects USING (row))
            WHERE row <> first
            """
        return np.asarray(self._connection.sql(query).to_arrow_table()["row"])


@contextlib.contextmanager
def _refusals(dates: Sequence[date]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        message = (
            f"Can't compare new events with those that landed on {dates[0]} to {dates[-1]}: "
            f"{reason(error)}. Nothing of this batch was written. Grant access to DATA_LAKE_PATH, "
            "then run again."
        )
        raise StorageError(message) from error
