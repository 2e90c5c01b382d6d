"""An older snapshot built again, from the lake's time travel, and proved to be the same."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from movie_recommender import __version__
from movie_recommender.errors import ConfigurationError, InputDataError, StorageError
from movie_recommender.features import builder, history, inputs, planning, publishing, snapshots
from movie_recommender.features.builder import Room
from movie_recommender.features.groups import sql_hash
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore
from movie_recommender.lake.travel import LakeTravel
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RebuildResult:
    """What is at `path` now; `reused`: it was there already and wasn't touched."""

    snapshot_id: str
    as_of: str
    path: str
    row_counts: dict[str, int]
    checksums: dict[str, str]
    reused: bool


def rebuild(
    settings: Settings,
    *,
    name: str,
    to: Path,
    memory_limit: str = "2GB",
    threads: int | None = None,
) -> RebuildResult:
    """Build a snapshot of the published registry again, as a new file at `to`.

    Reads the published registry and the lake at the snapshot's versions; builds whole, beside `to`;
    compares rows and checksums of every table with the registry, and commits with one rename. The
    new file's registry is the published one up to that snapshot. The published file is not
    touched. A second run finds its snapshot at `to` and changes nothing; after a kill there is no
    file at `to`, or the whole one.

    Args:
        settings: lake and store paths.
        name: of the snapshot, see `history.up_to`.
        to: where the file goes; nothing may be there but the same snapshot.
        memory_limit: what DuckDB may take; beyond it, intermediate tables go to disk.
        threads: of DuckDB; None: one for each core.

    Raises:
        ConfigurationError: the snapshot is unknown, something else is at `to` or it can't be
            written, another version of the program built the snapshot, or DATA_LAKE_PATH is another
            lake.
        InputDataError: the lake no longer has the snapshot's rows, or what came out is not what the
            registry says, names the tables; or the published file is damaged.
        NotReadyError: there is no published file.
        ConcurrentWriteError: another process builds the file at `to`.
        StorageError: the disk refused, or the lake can't be read.
    """
    record = history.up_to(history.published(settings.feature_store_path), name)
    wanted = record[0]
    _refuse_published(to, settings.feature_store_path)
    logger.info("features rebuild start snapshot=%s to=%s", wanted.id, to)
    reused = _is_there(to, wanted)
    if not reused:
        lake = LakeTravel(settings.data_lake_path)
        check_program(wanted)
        planned = _check_lake(lake, wanted)
        with _called_to(), publishing.build_directory(to) as directory:
            # Looked at again: somebody may have been faster.
            reused = _is_there(to, wanted)
            if not reused:
                room = Room(directory, memory_limit, threads)
                _build(room, lake, planned, record, to)
    logger.info("features rebuild end snapshot=%s reused=%s", wanted.id, reused)
    return RebuildResult(
        snapshot_id=wanted.id,
        as_of=wanted.as_of.isoformat(),
        path=str(to),
        row_counts=wanted.row_counts,
        checksums=wanted.checksums,
        reused=reused,
    )


def check_program(wanted: Snapshot) -> None:
    """Return if the running program is the one that built the snapshot.

    Raises:
        ConfigurationError: names what differs, and the version to install.
    """
    running = snapshots.plan(
        as_of=wanted.as_of,
        lake_versions={},
        lake_ids={},
        lake_files=(),
        on_time_until=wanted.on_time_until,
        code_version=__version__,
        sql_hash=sql_hash(),
    )
    names = ("code_version", "engine", "sql_hash", "format")
    pairs = {name: (getattr(running, name), getattr(wanted, name)) for name in names}
    differ = [f"{name} {now!r}, not {was!r}" for name, (now, was) in pairs.items() if now != was]
    if not differ:
        return
    only_sql = running.code_version == wanted.code_version and running.engine == wanted.engine
    which = ", from the commit whose feature SQL has that hash" if only_sql else ""
    message = (
        f"Snapshot {wanted.id} was built by another version of this program, and only the same one "
        f"gives the same bits: running is {'; '.join(differ)}. Install "
        f"movie-recommender=={wanted.code_version} with {wanted.engine.replace(' ', '==')}{which} "
        "in another environment and run the command there."
    )
    raise ConfigurationError(message)


def _refuse_published(to: Path, published: Path) -> None:
    if to.exists() and to.samefile(published):
        message = (
            f"--to {to} is the published feature store (FEATURE_STORE_PATH), expected a new file: "
            "an older snapshot is never published again. Give another path."
        )
        raise ConfigurationError(message)


def _is_there(to: Path, wanted: Snapshot) -> bool:
    """Whether the file at `to` is the snapshot, undamaged; False also without one."""
    if not to.is_file():
        return False
    found = "no feature store that this version can read"
    try:
        with FeatureStore.open(to) as store:
            found = f"snapshot {store.snapshot.id}"
            if store.snapshot.id == wanted.id:
                store.verify()
                return True
    except InputDataError as error:
        if found == f"snapshot {wanted.id}":
            logger.warning("building %s again, since: %s", to, error)
            return False
    message = (
        f"There is a file at --to {to} already: {found}, expected none or snapshot {wanted.id}. "
        "It was left as it is. Move it away or give another path."
    )
    raise ConfigurationError(message)


def _check_lake(lake: LakeTravel, wanted: Snapshot) -> Snapshot:
    """The snapshot as planned from the lake's own files of that time."""
    if others := history.other_tables(lake, wanted):
        message = (
            f"DATA_LAKE_PATH={lake.path}: {', '.join(others)} there isn't the table that snapshot "
            f"{wanted.id} was built from, by Delta's table id. Correct DATA_LAKE_PATH."
        )
        raise ConfigurationError(message)
    if lost := history.lost_rows(lake, wanted):
        message = (
            f"Snapshot {wanted.id}, as_of {wanted.as_of.isoformat()}, can't be built again: "
            f"{lost}. Expected the lake of that time: files that newer versions don't need are "
            "deleted after LAKE_RETENTION_DAYS. Restore them from a backup, or take a newer "
            "snapshot; a larger LAKE_RETENTION_DAYS keeps files longer from now on."
        )
        raise InputDataError(message)
    planned = planning.plan(
        lake,
        as_of=wanted.as_of,
        lake_versions=wanted.lake_versions,
        on_time_until=wanted.on_time_until,
    )
    if planned.id != wanted.id:
        message = (
            f"Snapshot {wanted.id} can't be built again: from versions {wanted.lake_versions} of "
            f"the lake at {lake.path!r} it is {planned.id}, so that the lake's files are others "
            "than at that time. Restore the lake from a backup, or take a newer snapshot."
        )
        raise InputDataError(message)
    return planned


def _build(
    room: Room, lake: LakeTravel, planned: Snapshot, record: Sequence[Snapshot], to: Path
) -> None:
    wanted, *earlier = record
    built = builder.build(
        room,
        new=inputs.everything(lake, wanted.lake_versions),
        planned=planned,
        base=None,
        history=earlier,
    )
    _check_content(built.snapshot, wanted)
    # As it was found at that time, not as it would be found now.
    history.rewrite(built.file, record)
    publishing.publish(built.file, to)


def _check_content(built: Snapshot, wanted: Snapshot) -> None:
    differ = []
    for table in sorted({*built.checksums, *wanted.checksums, *built.row_counts}):
        rows = (built.row_counts.get(table), wanted.row_counts.get(table))
        sums = (built.checksums.get(table), wanted.checksums.get(table))
        if rows[0] != rows[1]:
            differ.append(f"{table} has {rows[0]} rows, not {rows[1]}")
        elif sums[0] != sums[1]:
            differ.append(f"{table} has checksum {sums[0]}, not {sums[1]}")
    if differ:
        message = (
            f"Snapshot {wanted.id}, built again, isn't what the registry says: "
            f"{'; '.join(differ)}. Nothing was written. The lake's files were changed in place, or "
            "this machine computes otherwise: restore the lake from a backup, or run it on the "
            "machine that built the snapshot."
        )
        raise InputDataError(message)


@contextmanager
def _called_to() -> Iterator[None]:
    """Messages about the place of a store name the option, here, and not the setting."""
    try:
        yield
    except (ConfigurationError, StorageError) as error:
        message = str(error).replace("FEATURE_STORE_PATH", "--to")
        raise type(error)(message) from error.__cause__
