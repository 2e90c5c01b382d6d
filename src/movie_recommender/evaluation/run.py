"""The step `evaluate_model`."""

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from movie_recommender.bundle.manifest import MANIFEST_TAG
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.evaluation import page, protocol, report
from movie_recommender.evaluation.contest import Contest
from movie_recommender.evaluation.facts import Facts, facts_of
from movie_recommender.evaluation.result import CANDIDATE, EvaluationResult, result_of
from movie_recommender.evaluation.task import Task, make_task
from movie_recommender.evaluation.window import Window, newest_window
from movie_recommender.features import FeatureStore
from movie_recommender.ranking import NeuMF
from movie_recommender.ranking.baselines import fit_baselines
from movie_recommender.registry import ModelVersion, Registry
from movie_recommender.registry.client import PRODUCTION
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

SEED = 20170831
"""Draws the sampled movies and the bootstrap: the same window gives the same numbers."""

CURVES = ("loss", "learning_rate", "validation_ndcg_at_10")
"""Metrics of the training that the report draws."""


def run(settings: Settings, *, as_of: datetime, version: int) -> EvaluationResult:
    """Judge model `version` on the newest window before `as_of`, and pass or refuse it.

    Reads the feature store and the model bundles; commits a report to the version's MLflow run.
    A second run gives the same numbers and writes over the report; once the version is in
    production, there is no rival left to compare it with.

    Raises:
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        RegistryError: there is no such version, its bundle or production's is damaged, or nobody
            vouches for production's.
    """
    registry = Registry(settings)
    candidate = registry.get(version)
    production = registry.by_alias(PRODUCTION)
    _require_vouched(production, candidate)
    with (
        FeatureStore.open(settings.feature_store_path) as store,
        tempfile.TemporaryDirectory() as tmp,
    ):
        check_as_of(store, as_of)
        bundle, manifest = registry.download(version, Path(tmp, "candidate"))
        window, task = task_of(settings, store, as_of, not_before=manifest.trained_until)
        rival = ahead_days = None
        models = {CANDIDATE: bundle}
        if production is not None and production.version != version:
            rival, ahead_days = production.version, _days_ahead(candidate, production)
            models[PRODUCTION], _ = registry.download(rival, Path(tmp, "production"))
        contest = _contest(task, models)
        snapshot = store.snapshot
    result = result_of(settings, version, window, task, contest, rival=rival, ahead_days=ahead_days)
    curves = {name: registry.metric_history(candidate.run_id, name) for name in CURVES}
    facts = facts_of(
        result, task, contest, snapshot=snapshot, manifest=manifest, curves=curves, seed=SEED
    )
    result = _publish(registry, candidate.run_id, result, facts, as_of)
    logger.info(
        "evaluated version=%s users=%s positives=%s metrics=%s gate_passed=%s",
        version, result.n_users, result.n_positives, result.metrics, result.gate["passed"],
    )  # fmt: skip
    return result


def frame_of(store: FeatureStore, as_of: datetime) -> pa.Table:
    """Who met what when, and the label, of the store's snapshot, which must be the one of `as_of`.

    Raises:
        NotReadyError: it is another one.
    """
    check_as_of(store, as_of)
    return store.get_training_frame(columns=["user_id", "movie_id", "event_time", "label"])


def check_as_of(store: FeatureStore, as_of: datetime) -> None:
    """Refuse a store of another day.

    Raises:
        NotReadyError: the store's snapshot isn't the one of `as_of`.
    """
    if store.snapshot.as_of != as_of:
        message = (
            f"The feature store holds the snapshot as of {store.snapshot.as_of.isoformat()}, this "
            f"run needs {as_of.isoformat()}. Build it: movie-recommender features "
            f"--as-of {as_of.date().isoformat()}"
        )
        raise NotReadyError(message)


def window_of(settings: Settings, frame: pa.Table, as_of: datetime, *, not_before: str) -> Window:
    """The newest window, cut so that nothing the model was trained on is in it."""
    window = newest_window(
        frame,
        end=as_of,
        days=settings.evaluation_window_days,
        min_users=settings.evaluation_min_users,
    )
    return Window(max(window.start, datetime.fromisoformat(not_before)), window.end)


def task_of(
    settings: Settings, store: FeatureStore, as_of: datetime, *, not_before: str
) -> tuple[Window, Task]:
    """The newest window before `as_of` and its pairs: the same call gives the same pairs.

    Raises:
        NotReadyError: the store holds another day's snapshot.
    """
    frame = frame_of(store, as_of)
    window = window_of(settings, frame, as_of, not_before=not_before)
    users, movies = store.get_user_features(), store.get_movie_features()
    return window, make_task(frame, window, users=users, movies=movies, seed=SEED)


def _require_vouched(production: ModelVersion | None, candidate: ModelVersion) -> None:
    """A rival's files must be those that were registered, or the gate would compare with others.

    Of a candidate whose own aren't vouched for, its download says what to do.
    """
    vouched = MANIFEST_TAG in candidate.tags
    if production is None or MANIFEST_TAG in production.tags or not vouched:
        return
    message = (
        f"Version {production.version}, in production, has no tag {MANIFEST_TAG}: an older release "
        "registered it, or not the pipeline. Nobody vouches for its files, so no candidate can be "
        f"held against it. `movie-recommender compare --version {candidate.version}` judges one "
        "without; put it into production by hand, then run again: "
        f"movie-recommender promote {candidate.version}"
    )
    raise RegistryError(message)


def _days_ahead(candidate: ModelVersion, production: ModelVersion) -> float | None:
    """Days by which the candidate's snapshot is the newer one; None where one isn't known."""
    known = [version.tags.get("as_of") for version in (candidate, production)]
    if None in known:
        return None
    ours, theirs = (datetime.fromisoformat(str(as_of)) for as_of in known)
    return (ours - theirs) / timedelta(days=1)


def _contest(task: Task, models: Mapping[str, Path]) -> Contest | None:
    """The models of these bundles and the baselines; None where there is nothing to judge."""
    if len(task.user) == 0:
        return None
    scorers = {name: NeuMF(bundle, task.dataset) for name, bundle in models.items()}
    rankers = {**scorers, **fit_baselines(task.dataset, seed=SEED)}
    judged = {name: protocol.judge(scorer, task) for name, scorer in rankers.items()}
    return Contest(task, judged, seed=SEED)


def _publish(
    registry: Registry, run_id: str, result: EvaluationResult, facts: Facts, as_of: datetime
) -> EvaluationResult:
    """Metrics as `eval_…`, one step a day, so that MLflow draws them over time; and the report.

    Returns the result with the report's address.
    """
    day = as_of.date()
    name = f"evaluation/{day.isoformat()}"
    result = replace(result, page=registry.artifact_url(run_id, f"{name}.html"))
    registry.log_metrics(
        run_id,
        result.logged(),
        step=day.toordinal(),
        time_ms=int(as_of.timestamp() * 1000),
    )
    registry.log_text(run_id, report.markdown(result), f"{name}.md")
    registry.log_text(run_id, json.dumps(asdict(result), indent=2), f"{name}.json")
    registry.log_text(run_id, page.render(result, facts), f"{name}.html")
    return result
