"""The step: from the lake to a published feature store."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.dataset as ds

from movie_recommender import __version__, events
from movie_recommender.errors import ConfigurationError, InputDataError, NotReadyError, StorageError
from movie_recommender.features import builder, publishing, snapshots
from movie_recommender.features.groups import sql_hash
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore
from movie_recommender.lake import Lake, LakeIntegrity
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeaturesResult:
    """What is published now; `n_examples` training rows, of which `n_positives` have label 1.

    `reused`: the snapshot was published already, the file wasn't touched.
    """

    snapshot_id: str
    as_of: str
    lake_versions: dict[str, int]
    n_users: int
    n_movies: int
    n_examples: int
    n_positives: int
    reused: bool


def run(
    settings: Settings,
    *,
    as_of: datetime,
    lake_versions: Mapping[str, int] | None = None,
    memory_limit: str = "2GB",
    threads: int | None = None,
) -> FeaturesResult:
    """Publish the features of all events before `as_of` at `settings.feature_store_path`.

    Reads the lake at `lake_versions` and the registry of the published file; writes beside the
    published file and commits with one rename. A second run with the same inputs finds its
    snapshot published and changes nothing. A kill at any point leaves the published file as it
    was. A lake without events makes a valid store without rows.

    Args:
        settings: lake and store paths.
        as_of: instant with a time zone; only events with event_time < as_of count.
        lake_versions: Delta version by table (others than the three topics are ignored; a topic
            that is missing counts as empty); None: the newest of each.
        memory_limit: what DuckDB may take; beyond it, intermediate tables go to disk.
        threads: of DuckDB; None: one for each core.

    Raises:
        ConfigurationError: as_of has no time zone; FEATURE_STORE_PATH can't be written.
        NotReadyError: a lake version doesn't exist.
        ConcurrentWriteError: another process is building this store.
        StorageError: the disk refused, or the lake is damaged.
    """
    if as_of.tzinfo is None:
        message = f"as_of={as_of.isoformat()} has no time zone, expected an instant in UTC."
        raise ConfigurationError(message)
    path = settings.feature_store_path
    LakeIntegrity(settings.data_lake_path).check()
    versions, lake = _inputs(Lake(settings.data_lake_path), lake_versions)
    planned = _plan(as_of, versions, lake)
    logger.info("features start snapshot=%s as_of=%s", planned.id, planned.as_of.isoformat())
    with publishing.build_directory(path) as directory:
        history = _history(path, planned)
        reused = bool(history) and history[0].id == planned.id
        if reused:
            snapshot = history[0]
        else:
            built, snapshot = builder.build(
                directory,
                lake=lake,
                planned=planned,
                history=history,
                memory_limit=memory_limit,
                threads=threads,
            )
            publishing.publish(built, path)
    result = _result(snapshot, reused=reused)
    logger.info("features end %s", " ".join(f"{k}={v}" for k, v in asdict(result).items()))
    return result


def _inputs(
    lake: Lake, lake_versions: Mapping[str, int] | None
) -> tuple[dict[str, int], dict[str, ds.Dataset]]:
    found = lake.versions() if lake_versions is None else lake_versions
    versions = {topic: found[topic] for topic in events.CONTRACTS if topic in found}
    datasets = {
        topic: lake.dataset(topic, versions[topic])
        if topic in versions
        else ds.dataset(events.lake_schema(topic).empty_table())
        for topic in events.CONTRACTS
    }
    return versions, datasets


def _plan(as_of: datetime, versions: dict[str, int], lake: Mapping[str, ds.Dataset]) -> Snapshot:
    return snapshots.plan(
        as_of=as_of.astimezone(UTC),
        lake_versions=versions,
        lake_files=[Path(f).name for d in lake.values() for f in getattr(d, "files", ())],
        code_version=__version__,
        sql_hash=sql_hash(),
    )


def _history(path: Path, planned: Snapshot) -> list[Snapshot]:
    """The published registry, newest first; empty when there is none that can be read."""
    try:
        with FeatureStore.open(path) as store:
            if store.snapshot.id == planned.id:
                # A damaged file must not answer "nothing to do": building it again is the cure.
                store.verify()
            return store.snapshots()
    except StorageError:  # a NotReadyError too, but there is a file: don't replace it unread
        raise
    except NotReadyError:
        return []
    except InputDataError as error:
        logger.warning("rebuilding the feature store, its registry of builds is lost: %s", error)
        return []


def _result(snapshot: Snapshot, *, reused: bool) -> FeaturesResult:
    counts = snapshot.row_counts
    return FeaturesResult(
        snapshot_id=snapshot.id,
        as_of=snapshot.as_of.isoformat(),
        lake_versions=snapshot.lake_versions,
        n_users=counts["user_features"],
        n_movies=counts["movie_features"],
        n_examples=counts["training_frame"],
        n_positives=counts["positives"],
        reused=reused,
    )
