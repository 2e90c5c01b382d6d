"""The registry of snapshots in the published file: found by id, and shortened."""

import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from movie_recommender.errors import ConfigurationError, InputDataError, StorageError
from movie_recommender.features import publishing, snapshots
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore
from movie_recommender.lake.storage import reason
from movie_recommender.lake.travel import LakeTravel
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

LATEST = "latest"
"""Instead of an id: the published snapshot."""

_PREFIX = re.compile(r"[0-9a-f]{6,16}")
_SHOWN = 5


@dataclass(frozen=True)
class Forgotten:
    """A snapshot that the registry no longer names, and why."""

    id: str
    as_of: str
    reason: str


@dataclass(frozen=True)
class PruneResult:
    """What was forgotten, newest first; `kept`: the ids that the registry still has."""

    forgotten: list[Forgotten]
    kept: list[str]


def published(path: Path) -> list[Snapshot]:
    """The registry of the file at `path`, newest first.

    Raises:
        NotReadyError: there is no file.
        InputDataError: the file is damaged, no feature store, or of another version.
        StorageError: the disk refused to read it.
    """
    with FeatureStore.open(path) as store:
        return store.snapshots()


def listing(settings: Settings) -> list[dict[str, Any]]:
    """What `features snapshots` shows of the published registry, newest first. JSON-able.

    Raises:
        NotReadyError, InputDataError, StorageError: as `published`.
    """
    return [
        {
            "id": one.id,
            "as_of": one.as_of.isoformat(),
            "lake_versions": one.lake_versions,
            "row_counts": one.row_counts,
            "warnings": one.warnings,
            "code_version": one.code_version,
        }
        for one in published(settings.feature_store_path)
    ]


def up_to(history: Sequence[Snapshot], name: str) -> list[Snapshot]:
    """The snapshot called `name`, and the history before it.

    Args:
        history: a registry, newest first, with at least one snapshot.
        name: `LATEST`, an id, or its first 6 digits or more where no other id begins so. Of several
            builds with that id it is the newest.

    Raises:
        ConfigurationError: no snapshot is called so, or several are.
    """
    if name == LATEST:
        return list(history)
    ids = [snapshot.id for snapshot in history]
    if name in ids:
        return list(history[ids.index(name) :])
    possible = [one for one in dict.fromkeys(ids) if one.startswith(name)]
    if not _PREFIX.fullmatch(name):
        wrong, shown = "isn't an id", ids
    elif not possible:
        wrong, shown = "isn't in the published registry", ids
    elif len(possible) > 1:
        wrong, shown = f"is how {len(possible)} ids begin", possible
    else:
        return list(history[ids.index(possible[0]) :])
    message = (
        f"Snapshot {name!r} {wrong}, expected '{LATEST}', an id, or at least the first 6 digits "
        f"of one: {', '.join(shown[:_SHOWN])}{' …' if len(shown) > _SHOWN else ''}. "
        "`movie-recommender features snapshots` shows all."
    )
    raise ConfigurationError(message)


def other_tables(lake: LakeTravel, snapshot: Snapshot) -> list[str]:
    """The lake's tables that aren't those that the snapshot was built from, by Delta's own ids.

    Raises:
        StorageError: the lake can't be read.
    """
    return [topic for topic, its_id in snapshot.lake_ids.items() if lake.id(topic) != its_id]


def lost_rows(lake: LakeTravel, snapshot: Snapshot) -> str | None:
    """What of the snapshot's rows the lake no longer has, as a clause; None: all are there.

    Raises:
        StorageError: the lake can't be read, which is no proof that anything is gone.
    """
    until = (snapshot.as_of - timedelta(microseconds=1)).date()
    for topic, version in snapshot.lake_versions.items():
        if found := lake.lost(topic, version, until=until):
            return found
    return None


def prune(
    settings: Settings, *, keep_days: int | None = None, keep: Sequence[str] = ()
) -> PruneResult:
    """Forget the snapshots that can't be rebuilt from the lake, and those that are too old.

    One that another version of this program has built stays: that version can build it again. The
    published snapshot always stays. Reads the lake's log and publishes a copy of the file with the
    shorter registry by one rename; killed before, the file is as it was. With nothing to forget,
    as in a second run, the file isn't touched.

    Args:
        settings: lake and store paths.
        keep_days: older are snapshots whose `as_of` is by more days before that of the published
            one; None: `LAKE_RETENTION_DAYS`.
        keep: names (see `up_to`) of snapshots that stay, such as the one that the production model
            was trained on, which drift is measured from.

    Raises:
        ConfigurationError: `keep` names an unknown snapshot, DATA_LAKE_PATH is another lake, or
            FEATURE_STORE_PATH can't be written.
        ConcurrentWriteError: another process is building this store.
        NotReadyError, InputDataError: there is no published file, or it is damaged.
        StorageError: the disk refused, or the lake can't be read.
    """
    path = settings.feature_store_path
    days = settings.lake_retention_days if keep_days is None else keep_days
    published(path)  # before anything is made where no store is
    with publishing.build_directory(path) as directory:
        history = published(path)
        spared = {up_to(history, name)[0].id for name in (LATEST, *keep)}
        reasons = _reasons(LakeTravel(settings.data_lake_path), history, spared, days)
        kept = [one for one, why in zip(history, reasons, strict=True) if why is None]
        forgotten = [
            Forgotten(one.id, one.as_of.isoformat(), why)
            for one, why in zip(history, reasons, strict=True)
            if why is not None
        ]
        if forgotten:
            copy = directory / "store.duckdb"
            with refusals(f"Copying the feature store {path} to {directory}"):
                shutil.copyfile(path, copy)
            rewrite(copy, kept)
            publishing.publish(copy, path)
    logger.info("features prune forgotten=%d kept=%d", len(forgotten), len(kept))
    return PruneResult(forgotten, [one.id for one in kept])


def rewrite(file: Path, history: Sequence[Snapshot]) -> None:
    """Make `history`, newest first, the registry of an unpublished file.

    Raises:
        StorageError: the disk refused.
    """
    with (
        refusals(f"Writing the registry of {file}"),
        duckdb.connect(":memory:") as connection,
    ):
        connection.execute("ATTACH ? AS store", [str(file)])
        snapshots.write(connection, history)
        connection.execute("CHECKPOINT store")
        connection.execute("DETACH store")


@contextmanager
def refusals(doing: str) -> Iterator[None]:
    """Say what the operator can do when the disk refuses or a file is damaged.

    Args:
        doing: what was being done, and where.

    Raises:
        StorageError: the disk refused.
        InputDataError: a block of a store's file is damaged.
    """
    try:
        yield
    except publishing.NO_ROOM as error:
        message = (
            f"{doing} stopped: {reason(error)}. Expected a whole file and room for another; the "
            "published store stays in use as it was. Free space there and run again."
        )
        raise StorageError(message) from error
    except duckdb.Error as error:
        if not publishing.is_damage(error):
            raise
        message = (
            f"{doing} stopped, the published feature store is damaged: {reason(error)}. Build it "
            "again with `movie-recommender features`."
        )
        raise InputDataError(message) from error


def _reasons(
    lake: LakeTravel, history: Sequence[Snapshot], spared: set[str], keep_days: int
) -> list[str | None]:
    """Why each snapshot is to be forgotten; None: it stays."""
    newest = history[0]
    if others := other_tables(lake, newest):
        message = (
            f"DATA_LAKE_PATH={lake.path}: {', '.join(others)} there isn't the table that the "
            f"published snapshot {newest.id} was built from; nothing was forgotten. Correct "
            "DATA_LAKE_PATH; of a lake that was begun anew, run `movie-recommender features` first."
        )
        raise ConfigurationError(message)
    oldest = newest.as_of - timedelta(days=keep_days)

    def why(snapshot: Snapshot) -> str | None:
        if snapshot.id in spared:
            return None
        if snapshot.as_of < oldest:
            return f"more than {keep_days} days before the published as_of"
        if gone := other_tables(lake, snapshot):
            return f"can't be rebuilt: {', '.join(gone)} is another table by now"
        lost = lost_rows(lake, snapshot)
        return lost and f"can't be rebuilt: {lost}"

    return [why(snapshot) for snapshot in history]
