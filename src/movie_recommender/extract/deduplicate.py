"""Events that the producer sent more than once: one row for each event id and event date."""

import tempfile
from collections.abc import Sequence
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

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
    """
    if not rows.num_rows:
        return rows
    events = pa.table(
        {
            "event_id": rows["event_id"],
            "event_date": rows["event_date"],
            "row": pa.array(np.arange(rows.num_rows)),
        }
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
        first = connection.sql(
            """
            WITH once AS (SELECT event_id, event_date, min(row) AS row FROM events GROUP BY ALL)
            SELECT row FROM once ANTI JOIN known USING (event_id, event_date) ORDER BY row
            """
        ).to_arrow_table()
    if first.num_rows == rows.num_rows:
        return rows
    return rows.take(first["row"])
