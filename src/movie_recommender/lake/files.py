"""Parquet files of a table, written row group by row group, and what Delta's log says of each.

delta-rs' own writer holds a file about twice in memory until it is complete; this one holds a row
group.
"""

import contextlib
import json
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow import fs

from movie_recommender.lake.storage import arrow_files, is_bucket
from movie_recommender.lake.tables import DISTINCT, UNBOUNDED, partition_column

_LONGEST_BOUND = 64
"""Characters; a column with longer texts goes without bounds in the log."""


def write_day(
    uri: str,
    table: str,
    day: date,
    rows: pa.RecordBatchReader,
    *,
    data_change: bool,
) -> AddAction | None:
    """Write a day's rows into one file that nobody sees until its action is committed.

    Args:
        uri: the table's.
        table: one of `TABLES`.
        day: value of `partition_column(table)` of all `rows`.
        rows: with the table's columns; each batch becomes a row group.
        data_change: whether the rows differ from those whose place they take.

    Returns:
        The file's action; None without rows, and then there is no file either.

    Raises:
        OSError: the disk or bucket refused; no part of a file is left on a disk.
        ValueError: a row is of another day; no file is left.
    """
    column = partition_column(table)
    inside = rows.schema.remove(rows.schema.get_field_index(column))
    folder = f"{column}={day}"
    path = f"{folder}/part-{uuid.uuid4()}.zstd.parquet"
    files = arrow_files(uri)
    if not is_bucket(uri):  # which would keep an empty object of that name
        files.create_dir(folder)
    try:
        batches = (_of_day(batch, column, day).select(inside.names) for batch in rows)
        written = _write(files, path, batches, inside)
        info = files.get_file_info(path)
    except BaseException:
        _forget(files, path)
        raise
    if written.num_rows == 0:
        _forget(files, path)
        return None
    return AddAction(
        path=path,
        size=info.size,
        partition_values={column: str(day)},
        modification_time=info.mtime_ns // 1_000_000,
        data_change=data_change,
        stats=json.dumps(statistics(written)),
    )


def statistics(written: pq.FileMetaData) -> dict[str, Any]:
    """Rows, bounds and nulls of each column, as Delta's log keeps them.

    See the Delta transaction log protocol, "Per-file Statistics". A column whose bounds Parquet
    doesn't tell has none here.
    """
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index, name in _plain_columns(written):
        groups = [
            written.row_group(group).column(index).statistics
            for group in range(written.num_row_groups)
        ]
        if any(group is None or not group.has_null_count for group in groups):
            continue
        nulls[name] = sum(group.null_count for group in groups)
        valued = [group for group in groups if group.num_values]
        if valued and all(group.has_min_max for group in valued):
            bounds = min(group.min for group in valued), max(group.max for group in valued)
            told = [_told(bound) for bound in bounds]
            if None not in told:
                lowest[name], highest[name] = told
    return {
        "numRecords": written.num_rows,
        "minValues": lowest,
        "maxValues": highest,
        "nullCount": nulls,
    }


def _write(
    files: fs.FileSystem, path: str, rows: Iterable[pa.RecordBatch], schema: pa.Schema
) -> pq.FileMetaData:
    with files.open_output_stream(path) as sink:
        with pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in schema.names if name not in DISTINCT],
            write_statistics=[name for name in schema.names if name not in UNBOUNDED],
            write_page_index=True,
        ) as writer:
            for batch in rows:
                writer.write_batch(batch)
        return writer.writer.metadata


def _of_day(batch: pa.RecordBatch, column: str, day: date) -> pa.RecordBatch:
    """`batch`, whose rows all are of `day`: the file doesn't say it, only its folder."""
    if pc.all(pc.equal(batch[column], pa.scalar(day))).as_py() is False:
        message = f"A row to be written for {column} {day} is of another day."
        raise ValueError(message)
    return batch


def _plain_columns(written: pq.FileMetaData) -> list[tuple[int, str]]:
    """Index and name of each column that isn't a list."""
    paths = [written.schema.column(index).path for index in range(written.num_columns)]
    return [(index, path) for index, path in enumerate(paths) if "." not in path]


def _told(bound: Any) -> Any:
    if isinstance(bound, datetime):
        return bound.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(bound, date):
        return str(bound)
    if isinstance(bound, bytes) or (isinstance(bound, str) and len(bound) > _LONGEST_BOUND):
        return None
    return bound


def _forget(files: fs.FileSystem, path: str) -> None:
    with contextlib.suppress(OSError):
        files.delete_file(path)
