"""What a build's DuckDB sees of the lake: a view of each topic's new rows, and nothing else.

Files on a disk are read by DuckDB itself, which takes a quarter of the time that Arrow's reader
and the way from Arrow to DuckDB take; everything else comes through Arrow.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from movie_recommender.features.inputs import Part
from movie_recommender.lake import partition_column
from movie_recommender.lake.rows import local_files

_PATTERN = frozenset("*?[")
"""What DuckDB takes for more than a name."""
_OF_LAKE = ("registered as", "parquet", "decompress", "tprotocol")
"""Words of errors of Arrow's reader, and of DuckDB's: of files, their pages, their footers."""


def open_topics(
    connection: duckdb.DuckDBPyConnection, new: Mapping[str, Sequence[Part]], *, last_day: date
) -> None:
    """Make the views, named as the topics, and close the connection's other doors.

    Args:
        connection: at its default time zone, its settings not locked yet.
        new: by topic, what is new.
        last_day: files of later days are not opened where DuckDB reads them; a query still has to
            leave out later rows.
    """
    connection.execute("SET TimeZone = 'UTC'")
    # A view is bound anew in each query, and each time all footers would be read.
    connection.execute("SET parquet_metadata_cache = true")
    opened: list[str] = []
    for topic, parts in new.items():
        each, column = [], partition_column(topic)
        for number, part in enumerate(parts):
            files = _files(part, column, last_day)
            opened += files or []
            rows = _rows(connection, f"{topic}_{number}", part, files, column)
            since = "-infinity" if part.not_before is None else part.not_before.isoformat()
            each.append(f"SELECT * FROM ({rows}) WHERE event_time >= TIMESTAMPTZ '{since}'")
        connection.execute(f"CREATE TEMP VIEW {topic} AS {' UNION ALL '.join(each)}")
    connection.execute("SET allowed_paths = ?", [opened])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def is_of_lake(error: duckdb.Error) -> bool:
    """Whether a query failed at the lake's rows, not at the store's file."""
    return any(word in str(error).lower() for word in _OF_LAKE)


def _files(part: Part, column: str, last_day: date) -> list[str] | None:
    found = local_files(part.rows, column)
    if found is None or any(_PATTERN.intersection(path) for path, _ in found):
        return None
    return [path for path, day in found if day <= last_day]


def _rows(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    part: Part,
    files: list[str] | None,
    column: str,
) -> str:
    if files is None:
        connection.register(name, part.rows)
        return f"SELECT * FROM {name}"
    # Its names and types, also of columns that no file has.
    connection.register(name, part.rows.schema.empty_table())
    if not files:
        return f"SELECT * FROM {name}"
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
    return (
        f"SELECT * FROM {name} UNION ALL BY NAME SELECT * FROM read_parquet([{quoted}], "
        f"union_by_name = true, hive_partitioning = true, hive_types = {{'{column}': DATE}})"
    )
