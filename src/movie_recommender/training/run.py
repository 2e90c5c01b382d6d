"""The step `train_model`."""

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from movie_recommender import __version__
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.run import check_as_of, frame_of
from movie_recommender.features import FeatureStore, Snapshot
from movie_recommender.ranking import Dataset
from movie_recommender.registry import ModelVersion, Registry, write_manifest
from movie_recommender.registry.client import ROLLED_BACK
from movie_recommender.settings import Settings
from movie_recommender.training.config import ROUNDING, TrainingConfig
from movie_recommender.training.contest import COLD, WARM, Contest, Log, Trainings
from movie_recommender.training.fitting import write_bundle
from movie_recommender.training.start import Earlier
from movie_recommender.training.trainer import check_device
from movie_recommender.training.validation import validation_of

logger = logging.getLogger(__name__)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class TrainResult:
    """The version that the run goes on with, and whether and why it was trained now.

    `metrics` are those of the validation window: `validation_…` of the better start,
    `validation_baseline_…` popularity's on the same pairs; of a large catalogue `search_…`, what
    its shortlist finds (`ranking.two_stages`). They are empty when nothing was trained. `start`
    says whether that was the `cold` one or the `warm` one, which goes on from the model before.
    """

    version: int
    trained: bool
    reason: str
    snapshot_id: str | None
    run_id: str
    metrics: dict[str, float]
    start: str | None = None


def run(
    settings: Settings,
    *,
    as_of: datetime,
    run_date: date,
    force: bool = False,
    request_id: str | None = None,
) -> TrainResult:
    """Train a candidate on TRAINING_DAY (UTC); on other days hand on the newest one.

    Without any model it trains whatever the day. A second call for the same snapshot finds the
    version that the first one registered, and so does one that was killed after registering.

    Args:
        settings: the process's settings.
        as_of: the instant of the feature store's snapshot.
        run_date: the run's UTC date.
        force: train now, whatever the day and also on a snapshot that was trained on before.
        request_id: who forces; the same one is served once, so that a retry trains nothing.

    Raises:
        ConfigurationError: TRAINING_CONSTANTS is wrong, or there is no TRAINING_DEVICE.
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        InputDataError: there is no positive interaction to learn from.
        TrainingError: the loss is not finite; nothing was registered.
    """
    config = TrainingConfig.of(settings)
    check_device(config)
    registry = Registry(settings)
    candidate = registry.newest_candidate()
    weekday = _WEEKDAYS[run_date.weekday()]
    if candidate is not None and not force and settings.training_day not in (weekday, "daily"):
        reason = f"{weekday} is no training day (TRAINING_DAY={settings.training_day})"
        return _handed_on(candidate, reason)
    with FeatureStore.open(settings.feature_store_path) as store:
        check_as_of(store, as_of)
        key = _training_key(settings, store.snapshot, config, request_id if force else None)
        existing = registry.find("training_key", key)
        if existing is not None and ROLLED_BACK in existing.tags and candidate is not None:
            reason = f"version {existing.version}, trained on this snapshot, was rolled back"
            return _handed_on(candidate, reason)
        if existing is not None:
            return _handed_on(existing, f"already trained on snapshot {store.snapshot.id}")
        reason = "forced" if force else weekday if candidate else "no model yet"
        return _train(
            settings, registry, store, config, candidate, as_of=as_of, key=key, reason=reason
        )


def _handed_on(version: ModelVersion, reason: str) -> TrainResult:
    logger.info("trained=False version=%s reason=%r", version.version, reason)
    return TrainResult(
        version.version, False, reason, version.tags.get("snapshot_id"), version.run_id, {}
    )


def _training_key(
    settings: Settings, snapshot: Snapshot, config: TrainingConfig, request_id: str | None
) -> str:
    """Two trainings with the same key would give the same model, but for rounding."""
    constants = {name: value for name, value in asdict(config).items() if name not in ROUNDING}
    windows = [settings.evaluation_window_days, settings.evaluation_min_users]
    parts = [snapshot.id, __version__, constants, windows, request_id]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _train(
    settings: Settings,
    registry: Registry,
    store: FeatureStore,
    config: TrainingConfig,
    candidate: ModelVersion | None,
    *,
    as_of: datetime,
    key: str,
    reason: str,
) -> TrainResult:
    frame = frame_of(store, as_of)
    validation = validation_of(settings, store, frame, as_of)
    task, test = validation.task, validation.test
    users, movies = task.dataset.users, task.dataset.movies
    # What the window was good for, choosing, is done then: the candidate learns from it, too.
    dataset = Dataset.before(test.start, frame, users=users, movies=movies)
    config = config.within(dataset.positives)
    tags = {
        "training_key": key,
        "snapshot_id": store.snapshot.id,
        "as_of": as_of.isoformat(),
        **{f"lake_version_{table}": str(v) for table, v in store.snapshot.lake_versions.items()},
        "code_version": __version__,
    }
    params = {
        **asdict(config),
        "n_users": users.num_rows,
        "n_movies": movies.num_rows,
        "n_positives": dataset.positives.nnz,
        "learned_from_before": test.start.isoformat(),
        "validated_from": validation.window.start.isoformat(),
    }
    earlier = _earlier(registry, candidate, config, validation.window)
    starts = {COLD: None} if earlier is None else {COLD: None, WARM: earlier}
    saves = Path(settings.feature_store_path).parent / "training"
    run_id = registry.start_run(f"train {as_of:%Y-%m-%d}", params=params, tags=tags)
    try:
        with tempfile.TemporaryDirectory() as tmp:
            log = _log_to(registry, run_id, as_of)
            trainings = Trainings(config, starts, saves / key, log)
            contest = trainings.compare(task)
            metrics = _metrics(contest)
            tags["start"] = contest.best
            bundle = Path(tmp, "bundle")
            metrics |= write_bundle(bundle, trainings.finish(dataset, contest.best))
            log(metrics, config.epochs)
            _manifest(settings, bundle, store.snapshot, config, metrics, test, key)
            version = registry.register(run_id, bundle, tags=tags)
        registry.end_run(run_id)
    except BaseException:
        with contextlib.suppress(NotReadyError):  # the first error is the one to see
            registry.end_run(run_id, failed=True)
        raise
    shutil.rmtree(saves, ignore_errors=True)
    logger.info("trained=True version=%s reason=%r metrics=%s", version, reason, metrics)
    return TrainResult(version, True, reason, store.snapshot.id, run_id, metrics, contest.best)


def _earlier(
    registry: Registry,
    candidate: ModelVersion | None,
    config: TrainingConfig,
    validation: protocol.Window,
) -> Earlier | None:
    """`candidate`, if it saw nothing of the validation window and has the same sizes."""
    if candidate is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as tmp:
            bundle, manifest = registry.download(candidate.version, Path(tmp))
            found = Earlier.read(bundle)
    except RegistryError as error:
        logger.warning("no warm start from version=%s: %s", candidate.version, error)
        return None
    if datetime.fromisoformat(manifest.trained_until) > validation.start:
        reason = "it has seen the validation window"
    elif not found.fits(config):
        reason = "its sizes are others"
    else:
        return found
    logger.info("no warm start from version=%s: %s", candidate.version, reason)
    return None


def _log_to(registry: Registry, run_id: str, as_of: datetime) -> Log:
    now_ms = int(as_of.timestamp() * 1000)

    def log(metrics: Mapping[str, float], epoch: int) -> None:
        registry.log_metrics(run_id, metrics, step=epoch, time_ms=now_ms)

    return log


def _metrics(contest: Contest) -> dict[str, float]:
    """The better start's metrics, those of the others and of popularity by a prefix."""
    named = {
        "validation": contest.metrics.get(contest.best, {}),
        "validation_baseline": contest.popularity,
        **{f"validation_{name}": values for name, values in contest.metrics.items()},
    }
    return {f"{name}_{key}": v for name, values in named.items() for key, v in values.items()}


def _manifest(
    settings: Settings,
    bundle: Path,
    snapshot: Snapshot,
    config: TrainingConfig,
    metrics: Mapping[str, float],
    test: protocol.Window,
    key: str,
) -> None:
    fields: dict[str, Any] = {
        "model_name": settings.model_name,
        "training_key": key,
        "snapshot_id": snapshot.id,
        "as_of": snapshot.as_of.isoformat(),
        "trained_until": test.start.isoformat(),
        "lake_versions": dict(snapshot.lake_versions),
        "code_version": __version__,
        "config": asdict(config),
        "metrics": dict(metrics),
    }
    write_manifest(bundle, **fields)
