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
from movie_recommender.features import content, groups, reading, snapshots
from movie_recommender.features.content import Rest
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

_PAIRS_AT_ONCE = 4_000_000
_PARAMETER = re.compile(r"\$([a-z_]+)")
_ARRIVED = """
SELECT epoch_us(min(known_from)) AS first, epoch_us(max(known_from)) AS last
FROM (
    SELECT known_from FROM user_days UNION ALL
    SELECT known_from FROM movie_upserts UNION ALL
    SELECT known_from FROM user_upserts
)
"""


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
        # With few rows on one side DuckDB would compare all with all, and it guesses how many.
        connection.execute("SET asof_loop_join_threshold = 0")
        # Of its own accord DuckDB would move rows while they are still to be found by `rowid`.
        connection.execute("SET checkpoint_threshold = '1TB'")
        reading.open_topics(connection, new, last_day=_last_day(planned))
        if base is None:
            connection.execute(groups.read_sql(groups.TABLES))
        before = None if base is None else base[1]
        known_until, rests = _take(connection, planned, before)
        snapshot = replace(
            planned,
            known_until=known_until,
            row_counts=content.row_counts(connection),
            checksums=content.checksums(connection, before, rests),
        )
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
        connection.execute("DETACH store")
    return Built(built, snapshot, inspection, increment=base is not None)


def _take(
    connection: duckdb.DuckDBPyConnection, planned: Snapshot, base: Snapshot | None
) -> tuple[datetime, dict[str, Rest]]:
    """Run all groups.

    Returns:
        The last `known_from` of all that is in the store then, and of each table of which rows
        gave way what was left.
    """
    rests: dict[str, Rest] = {}
    parameters: dict[str, date | int] = {
        "as_of": planned.as_of,
        "last_day": _last_day(planned),
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
        if by_name[name].kind == FRAME:
            rests[name] = content.give_way(connection, name)
        if name not in IN_PARTS:
            _run(connection, by_name[name], parameters)
        elif name == IN_PARTS[-1]:
            for part in range(n_parts):
                for each in IN_PARTS:
                    place = {"n_parts": n_parts, "part": part}
                    _run(connection, by_name[each], {**parameters, **place})
    return known_until, rests


def _last_day(planned: Snapshot) -> date:
    """The last UTC day that can have an event before `as_of`."""
    return (planned.as_of.astimezone(UTC) - timedelta(microseconds=1)).date()


def _run(
    connection: duckdb.DuckDBPyConnection,
    group: FeatureGroup,
    parameters: Mapping[str, date | int],
) -> None:
    beginning = {
        VIEW: f"CREATE TEMP VIEW {group.name} AS",
        # Temporary tables aren't compressed, which costs more than it saves for a few seconds.
        STEP: f"CREATE OR REPLACE TEMP TABLE {group.name} AS",
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


@contextmanager
def _refusals(room: Room) -> Iterator[None]:
    """Say what the operator can do when DuckDB got no room or the lake no answer."""
    try:
        yield
    except NO_ROOM as error:
        if isinstance(error, duckdb.Error) and reading.is_of_lake(error):
            raise _unreadable(error) from error
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
        if not reading.is_of_lake(error):
            raise
        raise _unreadable(error) from error


def _unreadable(error: duckdb.Error) -> StorageError:
    return StorageError(
        f"The lake can't be read: {reason(error)}. Expected every file of the lake's "
        "version; the published store stays in use as it was. Grant access to DATA_LAKE_PATH "
        "or restore the file, then run again."
    )
