"""What a store's file holds, in numbers: rows and a checksum of each table.

The checksum is the sum of the hashes of a table's rows modulo 2^64, in whatever order they stand.
So an increment needs no look at what it leaves as it is: to the sum that its base has, it adds what
it added and takes off what gave way.
"""

from dataclasses import dataclass

import duckdb

from movie_recommender.features.groups import FRAME, STATE, STEP, VIEW, FeatureGroup, load_groups
from movie_recommender.features.snapshots import Snapshot

_GIVES_WAY = {
    "training_frame": """
    DELETE FROM store.training_frame AS was
    USING pairs
    WHERE pairs.was_there AND pairs.user_id = was.user_id AND pairs.movie_id = was.movie_id
    RETURNING hash(was) AS gone
    """,
    "user_features": """
    DELETE FROM store.user_features AS was
    USING touched_users
    WHERE touched_users.user_id = was.user_id
    RETURNING hash(was) AS gone
    """,
}
"""By group of kind `FRAME`."""


@dataclass(frozen=True)
class Rest:
    """What is left of a table when rows gave way to others.

    Attributes:
        gone: sum of the hashes of the rows that gave way.
        last: the greatest `rowid` so far; what is added has greater ones.
    """

    gone: int
    last: int


def give_way(connection: duckdb.DuckDBPyConnection, table: str) -> Rest:
    """Delete the rows of a group of kind `FRAME` that its new rows take the place of.

    Until the checksum is taken, nothing may move the table's rows, as a checkpoint does.
    """
    [(last,)] = connection.sql(f"SELECT max(rowid) FROM store.{table}").fetchall()
    gone = connection.sql(_GIVES_WAY[table]).fetchall()
    return Rest(sum(row[0] for row in gone), -1 if last is None else int(last))


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows by table of the attached database `store`, and `positives`, those with label 1."""
    counted = {group.name: f"store.{group.name}" for group in _kept()}
    counted["positives"] = "store.training_frame WHERE label = 1"
    return {
        name: int(connection.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
        for name, rows in counted.items()
    }


def checksums(
    connection: duckdb.DuckDBPyConnection, base: Snapshot | None, rests: dict[str, Rest]
) -> dict[str, str]:
    """Checksum by table (16 hex digits) of the attached database `store`.

    Args:
        connection: with the finished tables.
        base: the snapshot that was added to; None: look at all rows.
        rests: by table, what `give_way` left.
    """
    return {group.name: _checksum(connection, group, base, rests) for group in _kept()}


def _checksum(
    connection: duckdb.DuckDBPyConnection,
    group: FeatureGroup,
    base: Snapshot | None,
    rests: dict[str, Rest],
) -> str:
    added = None if base is None else _added(group, base, rests)
    query = f"SELECT sum(hash(t)) FROM store.{group.name} AS t WHERE {added or 'TRUE'}"
    total = int(connection.sql(query).fetchall()[0][0] or 0)
    if base is not None and added is not None:
        total += int(base.checksums[group.name], 16)
        total -= rests[group.name].gone if group.kind == FRAME else 0
    return f"{total % 2**64:016x}"


def _kept() -> list[FeatureGroup]:
    return [group for group in load_groups() if group.kind not in {VIEW, STEP}]


def _added(group: FeatureGroup, base: Snapshot, rests: dict[str, Rest]) -> str | None:
    """SQL for the rows that an increment of `base` added; None where all are looked at."""
    if group.kind == FRAME:
        return f"rowid > {rests[group.name].last}"
    if group.kind == STATE and "known_from" in group.header["keys"]:
        return f"known_from > TIMESTAMPTZ '{base.known_until.isoformat()}'"
    return None
