"""Events that the producer sent more than once: one row for each event id and event date."""

import contextlib
import tempfile
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

MEMORY_LIMIT = "512MB"
"""DuckDB spills to a temporary directory beyond this, however large the lake's days are."""


def event_dates(rows: pa.Table) -> list[date]:
    """The distinct `event_date`s of `rows`, sorted."""
    return sorted(pc.unique(rows["event_date"]).to_pylist())


def drop_duplicates(rows: pa.Table, landed: pads.Dataset, dates: Sequence[date]) -> pa.Table:
    """`rows` without those whose event is already among them or in the lake.

    A resent event has the same id and the same time, so only the lake's rows of the same dates are
    looked at, and an id that comes again with another date is another event. Of several messages
    with one event the first row stays.

    Args:
        rows: columns of `events.lake_schema`.
        landed: the topic's lake table, at least the files of `dates`.
        dates: the event dates of `rows`.

    Raises:
        StorageError: the lake's rows can't be read, or there is no room to compare them.
    """
    if not rows.num_rows:
        return rows
    with _refusals(dates):
        again = _known_or_repeated(rows, landed, dates)
    if not len(again):
        return rows
    first = np.ones(rows.num_rows, dtype=bool)
    first[again] = False
    return rows.filter(pa.array(first))


def _known_or_repeated(rows: pa.Table, landed: pads.Dataset, dates: Sequence[date]) -> Rows:
    """Which of `rows` to leave out, in no order."""
    events = rows.select(["event_id", "event_date"]).append_column(
        "row", pa.array(np.arange(rows.num_rows))
    )
    known = landed.scanner(
        columns=["event_id", "event_date"],
        filter=pc.field("event_date").isin(pa.array(dates, pa.date32())),
    ).to_reader()
    with (
        tempfile.TemporaryDirectory(prefix="deduplicate-") as spill,
        duckdb.connect(
            config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}
        ) as connection,
    ):
        connection.register("events", events)
        connection.register("known", known)
        return np.concatenate([_repeated(connection, events), _landed(connection)])


@contextlib.contextmanager
def _refusals(dates: Sequence[date]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        message = (
            f"Can't compare new events with those that landed on {dates[0]} to {dates[-1]}: "
            f"{reason(error)}. Nothing of this batch was written. Grant access to DATA_LAKE_PATH, "
            "free space in the temporary directory, then run again."
        )
        raise StorageError(message) from error


def _landed(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Rows of `events` that are among `known`."""
    query = "SELECT row FROM events SEMI JOIN known USING (event_id, event_date)"
    return np.asarray(connection.sql(query).to_arrow_table()["row"])


def _repeated(connection: duckdb.DuckDBPyConnection, events: pa.Table) -> Rows:
    """Rows of `events` whose event is in an earlier row.

    Sorted hashes tell in a third of the time which few rows are worth a comparison.
    """
    query = "SELECT row, hash(event_id, event_date) AS hash FROM events"
    hashed = connection.sql(query).to_arrow_table()
    hashes = np.asarray(hashed["hash"])
    ordered = np.sort(hashes)
    suspects = np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])
    if not suspects.any():
        return np.empty(0, dtype=np.int64)
    connection.register("suspects", events.take(hashed["row"].filter(pa.array(suspects))))
    query = """
        SELECT row FROM suspects ANTI JOIN (
            SELECT min(row) AS row FROM suspects GROUP BY event_id, event_date) USING (row)
        """
    return np.asarray(connection.sql(query).to_arrow_table()["row"])
