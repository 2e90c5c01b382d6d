"""Run the feature groups' SQL in DuckDB over what is new in the lake, into a new store file.

A full build is an increment of an empty store: the same SQL, with all of the lake as what is new.
"""

import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from movie_recommender.errors import StorageError
from movie_recommender.features import groups, snapshots
from movie_recommender.features.groups import (
    ENTITY,
    FRAME,
    IN_PARTS,
    ORDER,
    STATE,
    STEP,
    TELL_WHAT_IS_NEW,
    VIEW,
    FeatureGroup,
    load_groups,
)
from movie_recommender.features.inputs import Part
from movie_recommender.features.inspection import Inspection, inspect
from movie_recommender.features.publishing import NO_ROOM, is_damage
from movie_recommender.features.snapshots import NEVER, Snapshot, instant
from movie_recommender.lake.storage import reason

logger = logging.getLogger(__name__)

_PAIRS_AT_ONCE = 1_000_000
_PARAMETER = re.compile(r"\$([a-z_]+)")
_ARRIVED = """
SELECT epoch_us(min(known_from)) AS first, epoch_us(max(known_from)) AS last
FROM (
    SELECT known_from FROM user_days UNION ALL
    SELECT known_from FROM movie_upserts UNION ALL
    SELECT known_from FROM user_upserts
)
"""
_GIVE_WAY = {
    "training_frame": """
    DELETE FROM store.training_frame AS frame
    USING pairs
    WHERE pairs.was_there AND pairs.user_id = frame.user_id AND pairs.movie_id = frame.movie_id
    """,
    "user_features": """
    DELETE FROM store.user_features AS was
    USING touched_users
    WHERE touched_users.user_id = was.user_id
    """,
}
"""What is deleted before a group of kind `FRAME` adds its rows."""


class NotAnIncrementError(Exception):
    """What is new was known before something that the store has: it must be built whole."""


@dataclass(frozen=True)
class Room:
    """What a build may take.

    Attributes:
        directory: empty; takes the file and what doesn't fit into memory.
        memory_limit: DuckDB's, for example '2GB'; beyond it intermediate tables spill.
        threads: DuckDB's; None: one for each core.
    """

    directory: Path
    memory_limit: str
    threads: int | None

    def config(self) -> dict[str, str | bool | int | float | list[str]]:
        """DuckDB's settings for a connection that keeps to this room."""
        limits = {
            "memory_limit": self.memory_limit,
            "temp_directory": str(self.directory / "spill"),
        }
        return {**limits} if self.threads is None else {**limits, "threads": self.threads}

    def clear(self) -> None:
        """Empty the directory."""
        shutil.rmtree(self.directory)
        self.directory.mkdir()


@dataclass(frozen=True)
class Built:
    """A file that may be published, and whether it should be.

    Attributes:
        file: closed and checkpointed.
        snapshot: what it holds.
        inspection: what the quality rules say.
        increment: whether an earlier store was added to.
    """

    file: Path
    snapshot: Snapshot
    inspection: Inspection
    increment: bool


def build(
    room: Room,
    *,
    new: Mapping[str, Sequence[Part]],
    planned: Snapshot,
    base: tuple[Path, Snapshot] | None,
    history: Sequence[Snapshot],
    reference_id: str | None = None,
) -> Built:
    """Build the store of `planned`; nothing outside the room's directory is touched.

    Args:
        room: what it may take.
        new: by topic (`users`, `movies`, `interactions`), the rows that `base` hasn't.
        planned: what to build; what it holds is filled in.
        base: the store that is added to, and its snapshot; None: nothing.
        history: the registry so far, newest first; the new snapshot goes before it.
        reference_id: the snapshot whose newest rows are compared with; see `inspect`.

    Returns:
        The closed, checkpointed file, the finished snapshot, and what was found in it.

    Raises:
        NotAnIncrementError: `base` can't be added to.
        StorageError: no room for the file or the spilled tables, or the lake can't be read.
    """
    built = room.directory / "store.duckdb"
    config = {**room.config(), "preserve_insertion_order": False}
    with (
        _refusals(room),
        # A database of its own that the files are attached to: steps stay out of the store.
        duckdb.connect(":memory:", config=config) as connection,
    ):
        if base is not None:
            shutil.copyfile(base[0], built)
        connection.execute("ATTACH ? AS store", [str(built)])
        connection.execute("ATTACH ? AS steps", [str(room.directory / "steps.duckdb")])
        connection.execute("USE steps")
        # With few rows on one side DuckDB would compare all with all, and it guesses how many.
        connection.execute("SET asof_loop_join_threshold = 0")
        _close_doors(connection, new)
        if base is None:
            connection.execute(groups.read_sql(groups.TABLES))
        known_until = _take(connection, planned, None if base is None else base[1])
        counts, checksums = _content(connection)
        snapshot = replace(planned, known_until=known_until, row_counts=counts, checksums=checksums)
        before = None if base is None else base[1]
        inspection = inspect(
            connection, snapshot, base=before, history=history, reference_id=reference_id
        )
        snapshot = replace(
            snapshot,
            warnings=inspection.warnings,
            drift=inspection.measures(),
            profile=inspection.profile,
        )
        snapshots.write(connection, [snapshot, *history])
        connection.execute("CHECKPOINT store")
        connection.execute("USE memory")
        connection.execute("DETACH store")
    return Built(built, snapshot, inspection, increment=base is not None)


def _close_doors(connection: duckdb.DuckDBPyConnection, new: Mapping[str, Sequence[Part]]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    for topic, parts in new.items():
        each = []
        for number, part in enumerate(parts):
            name = f"{topic}_{number}"
            connection.register(name, part.rows)
            since = "-infinity" if part.not_before is None else part.not_before.isoformat()
            each.append(f"SELECT * FROM {name} WHERE event_time >= TIMESTAMPTZ '{since}'")
        connection.execute(f"CREATE TEMP VIEW {topic} AS {' UNION ALL '.join(each)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _take(
    connection: duckdb.DuckDBPyConnection, planned: Snapshot, base: Snapshot | None
) -> datetime:
    """Run all groups; the last `known_from` of all that is in the store then."""
    parameters: dict[str, date | int] = {
        "as_of": planned.as_of,
        "last_day": (planned.as_of - timedelta(microseconds=1)).date(),
        "on_time_until": planned.on_time_until,
        "decay_moved": False,
    }
    by_name = {group.name: group for group in load_groups()}
    for name in TELL_WHAT_IS_NEW:
        _run(connection, by_name[name], parameters)
    known_until = _known_until(connection, base)
    decayed_to = max(planned.as_of, known_until)
    parameters["decayed_to"] = decayed_to
    if base is not None:
        before = max(base.as_of, base.known_until)
        parameters["decay_moved"] = _period(before) != _period(decayed_to)
    [(n_pairs,)] = connection.sql("SELECT count(*) FROM pairs").fetchall()
    n_parts = -(-n_pairs // _PAIRS_AT_ONCE) or 1
    for name in ORDER[len(TELL_WHAT_IS_NEW) :]:
        if name not in IN_PARTS:
            _run(connection, by_name[name], parameters)
        elif name == IN_PARTS[0]:
            for part in range(n_parts):
                for each in IN_PARTS:
                    place = {"n_parts": n_parts, "part": part}
                    _run(connection, by_name[each], {**parameters, **place})
    return known_until


def _run(
    connection: duckdb.DuckDBPyConnection,
    group: FeatureGroup,
    parameters: Mapping[str, date | int],
) -> None:
    if group.kind == FRAME and parameters.get("part", 0) == 0:
        connection.execute(_GIVE_WAY[group.name])
    beginning = {
        VIEW: f"CREATE VIEW {group.name} AS",
        STEP: f"CREATE OR REPLACE TABLE {group.name} AS",
        STATE: f"INSERT INTO store.{group.name} BY NAME",
        FRAME: f"INSERT INTO store.{group.name} BY NAME",
        ENTITY: f"CREATE OR REPLACE TABLE store.{group.name} AS",
    }[group.kind]
    # Written out, since a view can't have parameters.
    query = _PARAMETER.sub(lambda match: _literal(parameters[match[1]]), group.sql)
    connection.execute(f"{beginning}\n{query}")
    logger.debug("built feature group %s", group.name)


def _literal(value: date | int) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat()}'"
    return f"DATE '{value}'" if isinstance(value, date) else str(value)


def _period(moment: datetime) -> int:
    """Number of the 28 days by which taste decays."""
    return int((moment - instant(0)) // timedelta(days=28))


def _known_until(connection: duckdb.DuckDBPyConnection, base: Snapshot | None) -> datetime:
    before = NEVER if base is None else base.known_until
    [(first, last)] = connection.sql(_ARRIVED).fetchall()
    if first is None:
        return before
    if base is not None and instant(first) <= before:
        raise NotAnIncrementError
    return instant(last)


def _content(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], dict[str, str]]:
    """Rows and checksum of each table; the checksum doesn't depend on the rows' order."""
    counts: dict[str, int] = {}
    checksums: dict[str, str] = {}
    for group in load_groups():
        if group.kind in {VIEW, STEP}:
            continue
        query = f"SELECT count(*), sum(hash(t)) FROM store.{group.name} AS t"
        [(counts[group.name], checksum)] = connection.sql(query).fetchall()
        checksums[group.name] = f"{int(checksum or 0) % 2**64:016x}"
    query = "SELECT count(*) FROM store.training_frame WHERE label = 1"
    [(counts["positives"],)] = connection.sql(query).fetchall()
    return counts, checksums


@contextmanager
def _refusals(room: Room) -> Iterator[None]:
    """Say what the operator can do when DuckDB got no room or the lake no answer."""
    try:
        yield
    except NO_ROOM as error:
        message = (
            f"Building the feature store in {room.directory} stopped: {reason(error)}. Expected "
            f"room for the new file and, beyond {room.memory_limit} of memory, for intermediate "
            "tables; the published store stays in use as it was. Free space there and run again."
        )
        raise StorageError(message) from error
    except duckdb.Error as error:
        if is_damage(error):
            message = f"The published feature store is damaged: {reason(error)}."
            raise StorageError(message) from error
        if "registered as" not in str(error):
            raise
        message = (
            f"The lake can't be read: {reason(error)}. Expected every file of the lake's "
            "version; the published store stays in use as it was. Grant access to DATA_LAKE_PATH "
            "or restore the file, then run again."
        )
        raise StorageError(message) from error
