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
from movie_recommender.lake import scan
from movie_recommender.lake.storage import reason

Rows = npt.NDArray[np.int64]


def event_dates(rows: pa.Table) -> list[date]:
    """The distinct `event_date`s of `rows`, sorted."""
    return sorted(pc.unique(rows["event_date"]).to_pylist())


def drop_duplicates(rows: pa.Table, landed: pads.Dataset, dates: Sequence[date]) -> pa.Table:
    """`rows` without those whose event is already among them or in the lake, in one piece.

    A resent event has the same id and the same time, so only the lake's rows of the same dates are
    looked at, and an id that comes again with another date is another event. Of several messages
    with one event the first row stays. Memory is bounded by `rows`: the lake's rows pass by.

    Args:
        rows: columns of `events.lake_schema`.
        landed: the topic's lake table, at least the files of `dates`.
        dates: the event dates of `rows`.

    Raises:
        StorageError: the lake's rows can't be read.
    """
    if not rows.num_rows:
        return rows
    with _refusals(dates), duckdb.connect() as connection:
        # Left alone, DuckDB would put the lake's rows into memory and let `rows` pass by.
        connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
        numbered = rows.select(["event_id", "event_date"]).append_column(
            "row", pa.array(np.arange(rows.num_rows))
        )
        connection.register("events", numbered)
        again = np.concatenate([_repeated(connection), _landed(connection, landed, dates)])
    first = np.ones(rows.num_rows, dtype=bool)
    first[again] = False
    return rows.combine_chunks().filter(pa.array(first))


def _landed(
    connection: duckdb.DuckDBPyConnection, landed: pads.Dataset, dates: Sequence[date]
) -> Rows:
    """Rows of `events` that are in the lake."""
    of_dates = pc.field("event_date").isin(pa.array(dates, pa.date32()))
    connection.register("known", scan(landed, ["event_id", "event_date"], of_dates))
    query = "SELECT DISTINCT row FROM known JOIN events USING (event_id, event_date)"
    return np.asarray(connection.sql(query).to_arrow_table()["row"])


def _repeated(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Rows of `events` whose event is in an earlier row.

    Sorted hashes tell in a third of the time which few rows are worth a comparison.
    """
    query = "SELECT row, hash(event_id, event_date) AS hash FROM events"
    hashed = connection.sql(query).to_arrow_table()
    hashes = np.asarray(hashed["hash"])
    ordered = np.sort(hashes)
    suspects = np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])
    connection.register("suspects", hashed.filter(pa.array(suspects)))
    query = """
        SELECT row FROM (
            SELECT row, min(row) OVER (PARTITION BY event_id, event_date) AS first
            FROM events SEMI JOIN suspects USING (row))
        WHERE row <> first
        """
    return np.asarray(connection.sql(query).to_arrow_table()["row"])


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
