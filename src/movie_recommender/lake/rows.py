"""Rows of a table's files, lazily."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pyarrow import fs

from movie_recommender.lake.storage import arrow_files
from movie_recommender.lake.tables import partition_column


def rows_of(
    uri: str, table: str, chosen: Iterable[tuple[str, date]], schema: pa.Schema
) -> pads.Dataset:
    """The rows of some of a table's files.

    Args:
        uri: the table's.
        table: one of `TABLES`.
        chosen: each file's path in the table, with its value of `partition_column(table)`.
        schema: of the result; a column that a file doesn't have is null.
    """
    form, files = pads.ParquetFileFormat(), arrow_files(uri)
    column = pads.field(partition_column(table))
    fragments = [
        form.make_fragment(path, files, partition_expression=column == day) for path, day in chosen
    ]
    return pads.FileSystemDataset(fragments, schema, form, files)


def local_files(rows: pads.Dataset, column: str) -> list[tuple[str, date]] | None:
    """Path and partition of each file of `rows`, for a reader of Parquet other than Arrow.

    Args:
        rows: of `rows_of`, or with the same partitions.
        column: `partition_column(table)`.

    Returns:
        Absolute paths; None where such a reader would see other rows: rows that aren't files on a
        disk, or a file whose folder doesn't name its partition.
    """
    if not isinstance(rows, pads.FileSystemDataset):
        return None
    files = rows.filesystem
    if not isinstance(files, fs.SubTreeFileSystem):
        return None
    if not isinstance(files.base_fs, fs.LocalFileSystem):
        return None
    found = []
    for fragment in rows.get_fragments():
        day = pads.get_partition_keys(fragment.partition_expression).get(column)
        if day is None or Path(fragment.path).parent.name != f"{column}={day}":
            return None
        found.append((f"{files.base_path.rstrip('/')}/{fragment.path}", day))
    return found


def gone(rows: pads.Dataset, paths: Iterable[str] | None = None) -> list[str]:
    """Which of the files of `rows`, or of some of them, aren't there any more."""
    asked = list(getattr(rows, "files", ()) if paths is None else paths)
    found = rows.filesystem.get_file_info(asked) if asked else []
    return [info.path for info in found if info.type == fs.FileType.NotFound]


def scan(
    rows: pads.Dataset, columns: list[str] | None = None, where: pc.Expression | None = None
) -> pads.Scanner:
    """The rows of a table, each batch read shortly before it is asked for.

    Left alone, Arrow goes up to a gigabyte ahead, the further the more files there are, and holds
    a file's row group whole.
    """
    return rows.scanner(
        columns=columns,
        filter=where,
        use_threads=False,
        batch_readahead=1,
        fragment_readahead=1,
        fragment_scan_options=pads.ParquetFragmentScanOptions(
            pre_buffer=False, use_buffered_stream=True, buffer_size=1 << 20
        ),
    )
