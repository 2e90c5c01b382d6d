"""The step: from the lake to a published feature store."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from movie_recommender.errors import ConfigurationError, InputDataError, NotReadyError, StorageError
from movie_recommender.features import builder, findings, inputs, publishing
from movie_recommender.features.builder import Built, Room
from movie_recommender.features.planning import plan
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore
from movie_recommender.lake import LakeChanges, LakeIntegrity
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeaturesResult:
    """What is published now; `n_examples` training rows, of which `n_positives` have label 1.

    `reused`: the snapshot was published already, the file wasn't touched. `increment`: what is new
    was added to the published store, which gives the same as building it whole. `warnings`: of the
    quality rules, a sentence each. `drift`: by feature, against another snapshot's newest rows.
    `page`: the whole report.
    """

    snapshot_id: str
    as_of: str
    lake_versions: dict[str, int]
    n_users: int
    n_movies: int
    n_examples: int
    n_positives: int
    reused: bool
    increment: bool
    warnings: list[str]
    drift: dict[str, float]
    page: str


def run(
    settings: Settings,
    *,
    as_of: datetime,
    lake_versions: Mapping[str, int] | None = None,
    reference_id: str | None = None,
    memory_limit: str = "2GB",
    threads: int | None = None,
) -> FeaturesResult:
    """Publish the features of all events before `as_of` at `settings.feature_store_path`.

    Reads the lake at `lake_versions` and the published file, which it adds to where it can; writes
    beside the published file, looks at what came out, and commits with one rename. A second run
    with the same inputs finds its snapshot published and changes nothing. A kill at any point
    leaves the published file as it was. A lake without events makes a valid store without rows.

    Args:
        settings: lake and store paths.
        as_of: instant with a time zone; only events with event_time < as_of count.
        lake_versions: Delta version by table (others than the three topics are ignored; a topic
            that is missing counts as empty); None: the newest of each.
        reference_id: the snapshot whose newest rows the new ones are compared with, such as the one
            that the production model was trained on; None, or one that the published registry
            doesn't have: no drift is measured.
        memory_limit: what DuckDB may take; beyond it, intermediate tables go to disk.
        threads: of DuckDB; None: one for each core.

    Raises:
        ConfigurationError: as_of has no time zone; FEATURE_STORE_PATH can't be written.
        NotReadyError: a lake version doesn't exist.
        ConcurrentWriteError: another process is building this store.
        InputDataError: a quality rule whose breach must not be published is broken; the published
            file stays in use, the report says more.
        StorageError: the disk refused, or the lake is damaged.
    """
    if as_of.tzinfo is None:
        message = f"as_of={as_of.isoformat()} has no time zone, expected an instant in UTC."
        raise ConfigurationError(message)
    path = settings.feature_store_path
    LakeIntegrity(settings.data_lake_path).check()
    lake = LakeChanges(settings.data_lake_path)
    planned = plan(
        lake,
        as_of=as_of,
        lake_versions=lake_versions,
        on_time_until=settings.history_loaded_until,
    )
    logger.info("features start snapshot=%s as_of=%s", planned.id, planned.as_of.isoformat())
    with publishing.build_directory(path) as directory:
        history = _history(path, planned)
        if history and history[0].id == planned.id:
            result = _result(history[0], path, reused=True)
        else:
            room = Room(directory, memory_limit, threads)
            built = _build(room, lake, planned, history, path, reference_id)
            publishing.write_page(built.inspection, built.snapshot, page_path(path))
            findings.require(built.inspection.findings)
            publishing.publish(built.file, path)
            result = _result(built.snapshot, path, increment=built.increment)
    logger.info("features end %s", " ".join(f"{k}={v}" for k, v in asdict(result).items()))
    return result


def page_path(store: Path) -> Path:
    """Where the report about the newest build is, published or not."""
    return store.with_suffix(".quality.html")


def _build(
    room: Room,
    lake: LakeChanges,
    planned: Snapshot,
    history: list[Snapshot],
    path: Path,
    reference_id: str | None,
) -> Built:
    """Add what is new to the published store where that gives the same as building it whole."""
    new = inputs.since(lake, history[0], planned) if history else None
    build = partial(
        builder.build, room, planned=planned, history=history, reference_id=reference_id
    )
    if new is not None:
        try:
            return build(new=new, base=(path, history[0]))
        except builder.NotAnIncrementError:
            logger.info("features: what is new was known before; building the store whole")
        except StorageError as error:  # perhaps only the published file is damaged
            logger.warning("features: building the store whole, since: %s", error)
        room.clear()
    return build(new=inputs.everything(lake, planned.lake_versions), base=None)


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


def _result(
    snapshot: Snapshot, path: Path, *, reused: bool = False, increment: bool = False
) -> FeaturesResult:
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
        increment=increment,
        warnings=snapshot.warnings,
        drift=snapshot.drift,
        page=str(page_path(path)),
    )
