"""What two snapshots differ in: their inputs, and the rows of their tables."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from movie_recommender.errors import ConcurrentWriteError, ConfigurationError, InputDataError
from movie_recommender.features import archive, history
from movie_recommender.features.builder import Room
from movie_recommender.features.groups import STATE, STEP, VIEW, FeatureGroup, load_groups
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.settings import Settings

_LONG = "profile"
"""A field that nobody can read; `drift` says in what two of them differ."""
_NEWEST = "SELECT id FROM {}.snapshots ORDER BY sequence DESC LIMIT 1"
_COLUMNS = """
SELECT column_name
FROM duckdb_columns()
WHERE database_name = 'a' AND table_name = $table
ORDER BY column_index
"""


@dataclass(frozen=True)
class TableDifference:
    """Rows of a table by key: only in the second, only in the first, in both with other values.

    `columns`: in how many of the changed rows each column has another value; the others: in none.
    """

    added: int
    removed: int
    changed: int
    columns: dict[str, int]


_SAME = TableDifference(0, 0, 0, {})


@dataclass(frozen=True)
class Difference:
    """From snapshot `a` to snapshot `b`.

    Attributes:
        a: id of the first.
        b: id of the second.
        registry: by field, or field and entry, that differs: the value of each.
        tables: by table that the file holds; None where the rows couldn't be compared.
        not_compared: why they couldn't.
    """

    a: str
    b: str
    registry: dict[str, dict[str, Any]]
    tables: dict[str, TableDifference] | None
    not_compared: str | None = None


def diff(
    settings: Settings,
    a: str,
    b: str,
    *,
    memory_limit: str = "2GB",
    threads: int | None = None,
) -> Difference:
    """Compare two snapshots of the published registry, floats exactly.

    The rows of one that isn't published come from building it again in a temporary directory
    (`TMPDIR`). Where that can't be done, only what the registry says is compared.

    Args:
        settings: lake and store paths.
        a: the first one's name, see `history.up_to`.
        b: the second one's.
        memory_limit: what DuckDB may take; beyond it, intermediate tables go to disk.
        threads: of DuckDB; None: one for each core.

    Raises:
        ConfigurationError: a snapshot is unknown.
        NotReadyError, InputDataError: there is no published file, or it is damaged.
        ConcurrentWriteError: another snapshot was published meanwhile.
        StorageError: the disk refused, or the lake can't be read.
    """
    registry = history.published(settings.feature_store_path)
    one, other = (history.up_to(registry, name)[0] for name in (a, b))
    if one.id == other.id:
        return Difference(one.id, other.id, {}, {group.name: _SAME for group in _stored()})
    differs = _registry(one, other)
    with tempfile.TemporaryDirectory(prefix="movie-recommender-diff-") as folder:
        room = Room(Path(folder), memory_limit, threads)
        files = {registry[0].id: settings.feature_store_path}
        try:
            if one.sql_hash != other.sql_hash:
                archive.check_program(one)
                archive.check_program(other)
            for snapshot in (one, other):
                if snapshot.id not in files:
                    files[snapshot.id] = _rebuilt(settings, snapshot, room)
        except (ConfigurationError, InputDataError) as error:
            return Difference(one.id, other.id, differs, None, str(error))
        tables = _tables(room, files, one, other)
    return Difference(one.id, other.id, differs, tables)


def _rebuilt(settings: Settings, snapshot: Snapshot, room: Room) -> Path:
    to = room.directory / f"{snapshot.id}.duckdb"
    archive.rebuild(
        settings,
        name=snapshot.id,
        to=to,
        memory_limit=room.memory_limit,
        threads=room.threads,
    )
    return to


def _registry(one: Snapshot, other: Snapshot) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for field in fields(Snapshot):
        was, now = getattr(one, field.name), getattr(other, field.name)
        if field.name == _LONG:
            continue
        if isinstance(was, dict):
            for entry in sorted({*was, *now}):
                _note(found, f"{field.name}.{entry}", was.get(entry), now.get(entry))
        else:
            _note(found, field.name, was, now)
    return found


def _note(found: dict[str, dict[str, Any]], name: str, was: object, now: object) -> None:
    if was != now:
        found[name] = {"a": _plain(was), "b": _plain(now)}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _tables(
    room: Room, files: Mapping[str, Path], one: Snapshot, other: Snapshot
) -> dict[str, TableDifference]:
    with (
        history.refusals(f"Comparing snapshots {one.id} and {other.id} in {room.directory}"),
        duckdb.connect(":memory:", config=room.config()) as connection,
    ):
        for alias, snapshot in (("a", one), ("b", other)):
            connection.execute(f"ATTACH ? AS {alias} (READ_ONLY)", [str(files[snapshot.id])])
            [(found,)] = connection.sql(_NEWEST.format(alias)).fetchall()
            if found != snapshot.id:
                message = (
                    f"Snapshot {found} was published at {files[snapshot.id]} while {snapshot.id} "
                    "was looked for there. Run it again."
                )
                raise ConcurrentWriteError(message)
        return {
            group.name: _SAME
            if one.checksums[group.name] == other.checksums[group.name]
            else _table(connection, group)
            for group in _stored()
        }


def _stored() -> list[FeatureGroup]:
    """The groups that the file holds, those that the reader hands out first."""
    held = [group for group in load_groups() if group.kind not in {VIEW, STEP}]
    return sorted(held, key=lambda group: group.kind == STATE)


def _table(connection: duckdb.DuckDBPyConnection, group: FeatureGroup) -> TableDifference:
    keys = group.header["keys"].split(", ")
    columns = [
        name
        for (name,) in connection.execute(_COLUMNS, {"table": group.name}).fetchall()
        if name not in keys
    ]
    both = f"a.{keys[0]} IS NOT NULL AND b.{keys[0]} IS NOT NULL"
    differ = {name: f'a."{name}" IS DISTINCT FROM b."{name}"' for name in columns}
    counts = [
        f"count(*) FILTER (a.{keys[0]} IS NULL)",
        f"count(*) FILTER (b.{keys[0]} IS NULL)",
        f"count(*) FILTER ({both} AND ({' OR '.join(differ.values())}))",
        *(f"count(*) FILTER ({both} AND {differs})" for differs in differ.values()),
    ]
    same_key = " AND ".join(f"a.{key} = b.{key}" for key in keys)
    [(added, removed, changed, *changes)] = connection.sql(
        f"SELECT {', '.join(counts)} FROM a.{group.name} AS a "
        f"FULL JOIN b.{group.name} AS b ON {same_key}"
    ).fetchall()
    each = dict(zip(columns, changes, strict=True))
    return TableDifference(added, removed, changed, {name: n for name, n in each.items() if n})
