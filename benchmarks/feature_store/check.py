"""Whether a peer's tables, as Parquet, hold what a feature store holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from movie_recommender.features.groups import load_groups

TOLERANCE = 1e-9
"""Relative, of floating-point numbers; everything else is equal."""

FLOATING = {"FLOAT", "DOUBLE"}


def differences(
    store: Path, tables: Path, names: Sequence[str], made: Mapping[str, str] | None = None
) -> list[str]:
    """A sentence for each column that differs between the store and `tables/NAME`; none: equal.

    Rows are compared by the keys that the group's header declares, and every column of the store
    must be there, but for those of `made`, by name the SQL that makes them of what is there.
    """
    keys = {group.name: group.header["keys"].split(", ") for group in load_groups()}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("ATTACH ? AS store (READ_ONLY)", [str(store)])
        return [
            found
            for name in names
            for found in _differences(connection, name, keys[name], tables / name, made or {})
        ]


def _differences(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    keys: Sequence[str],
    table: Path,
    made: Mapping[str, str],
) -> list[str]:
    theirs = f"read_parquet('{table}/*.parquet')"
    counts = [
        int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
        for rows in (f"store.{name}", theirs)
    ]
    columns = connection.sql(f"DESCRIBE store.{name}").fetchall()
    differs = {
        column: _differs(f"a.{column}", made.get(column, f"b.{column}"), kind)
        for column, kind, *_ in columns
        if column not in keys
    }
    sums = ", ".join(f"count_if({condition})" for condition in differs.values())
    query = f"SELECT count(*), {sums} FROM store.{name} AS a INNER JOIN {theirs} AS b"
    [(together, *found)] = connection.sql(f"{query} USING ({', '.join(keys)})").fetchall()
    said = [
        f"{name}.{column}: {n:,} of {together:,} rows"
        for column, n in zip(differs, found, strict=True)
        if n
    ]
    if {*counts, together} != {together}:
        said.append(f"{name}: rows {counts[0]:,} and {counts[1]:,}, together {together:,}")
    return said


def _differs(ours: str, theirs: str, kind: str) -> str:
    if kind in FLOATING:
        near = f"abs({ours} - {theirs}) <= {TOLERANCE} * greatest(1, abs({ours}))"
        return f"NOT coalesce({near}, {ours} IS NULL AND {theirs} IS NULL)"
    return f"{ours} IS DISTINCT FROM CAST({theirs} AS {kind})"
