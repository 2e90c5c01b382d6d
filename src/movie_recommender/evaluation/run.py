"""The step `evaluate_model`."""

import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from movie_recommender.errors import NotReadyError
from movie_recommender.evaluation import gate, metrics, protocol, report
from movie_recommender.features import FeatureStore
from movie_recommender.ranking import ItemKNN, NeuMF, Popularity
from movie_recommender.registry import Registry
from movie_recommender.registry.client import PRODUCTION
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

SEED = 20170831
"""Draws the sampled movies and the bootstrap: the same window gives the same numbers."""


@dataclass(frozen=True)
class EvaluationResult:
    """A model version on the newest window.

    `metrics`, `baselines[name]` (popularity, item_knn) and `production` hold means over users;
    `intervals` the 95 % bootstrap intervals of `metrics`. With no positive in the window the
    metrics are empty and the gate says no.
    """

    version: int
    as_of: str
    window_start: str
    window_end: str
    n_users: int
    n_positives: int
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    baselines: dict[str, dict[str, float]]
    production: dict[str, float] | None
    gate: dict[str, Any]


def run(settings: Settings, *, as_of: datetime, version: int) -> EvaluationResult:
    """Judge model `version` on the newest window before `as_of`, and pass or refuse it.

    Reads the feature store and the model bundles; commits a report to the version's MLflow run.
    A second run gives the same numbers and writes over the report; once the version is in
    production, there is no rival left to compare it with.

    Raises:
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        RegistryError: there is no such version, or its bundle is damaged.
    """
    registry = Registry(settings)
    candidate = registry.get(version)
    production = registry.by_alias(PRODUCTION)
    with (
        FeatureStore.open(settings.feature_store_path) as store,
        tempfile.TemporaryDirectory() as tmp,
    ):
        check_as_of(store, as_of)
        bundle, manifest = registry.download(version, Path(tmp, "candidate"))
        window, task = task_of(settings, store, as_of, not_before=manifest.trained_until)
        if len(task.user) == 0:
            result = _nothing_to_judge(settings, version, window)
        else:
            judged = protocol.judge(NeuMF(bundle, task.dataset), task)
            baselines = {
                "popularity": protocol.judge(Popularity(task.dataset), task).means(),
                "item_knn": protocol.judge(ItemKNN(task.dataset), task).means(),
            }
            rival = None
            if production is not None and production.version != version:
                rival_bundle, _ = registry.download(production.version, Path(tmp, "production"))
                rival = production.version, protocol.judge(NeuMF(rival_bundle, task.dataset), task)
            result = _result(settings, version, window, task, judged, baselines, rival)
    _publish(registry, candidate.run_id, result, as_of)
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


def window_of(
    settings: Settings, frame: pa.Table, as_of: datetime, *, not_before: str
) -> protocol.Window:
    """The newest window, cut so that nothing the model was trained on is in it."""
    window = protocol.newest_window(
        frame,
        end=as_of,
        days=settings.evaluation_window_days,
        min_users=settings.evaluation_min_users,
    )
    return protocol.Window(max(window.start, datetime.fromisoformat(not_before)), window.end)


def task_of(
    settings: Settings, store: FeatureStore, as_of: datetime, *, not_before: str
) -> tuple[protocol.Window, protocol.Task]:
    """The newest window before `as_of` and its pairs: the same call gives the same pairs.

    Raises:
        NotReadyError: the store holds another day's snapshot.
    """
    frame = frame_of(store, as_of)
    window = window_of(settings, frame, as_of, not_before=not_before)
    users, movies = store.get_user_features(), store.get_movie_features()
    return window, protocol.make_task(frame, window, users=users, movies=movies, seed=SEED)


def _result(
    settings: Settings,
    version: int,
    window: protocol.Window,
    task: protocol.Task,
    judged: protocol.Judgement,
    baselines: dict[str, dict[str, float]],
    rival: tuple[int, protocol.Judgement] | None,
) -> EvaluationResult:
    rng = np.random.default_rng(SEED)
    delta = None
    production = None
    if rival is not None:
        rival_version, rival_judged = rival
        difference = judged.ndcg_at_10 - rival_judged.ndcg_at_10
        delta = (float(difference.mean()), *metrics.bootstrap_interval(difference, rng=rng))
        production = {"version": rival_version, **rival_judged.means()}
        names = ("delta_ndcg_at_10", "delta_ndcg_at_10_low", "delta_ndcg_at_10_high")
        production |= dict(zip(names, delta, strict=True))
    verdict = gate.decide(
        settings,
        metrics=judged.means(),
        popularity=baselines["popularity"],
        n_users=len(task.users),
        production_delta=delta,
    )
    return EvaluationResult(
        version=version,
        as_of=window.end.isoformat(),
        window_start=window.start.isoformat(),
        window_end=window.end.isoformat(),
        n_users=len(task.users),
        n_positives=len(task.user),
        metrics=judged.means(),
        intervals=judged.intervals(rng),
        baselines=baselines,
        production=production,
        gate=asdict(verdict),
    )


def _nothing_to_judge(
    settings: Settings, version: int, window: protocol.Window
) -> EvaluationResult:
    verdict = gate.decide(settings, metrics={}, popularity={}, n_users=0, production_delta=None)
    return EvaluationResult(
        version=version,
        as_of=window.end.isoformat(),
        window_start=window.start.isoformat(),
        window_end=window.end.isoformat(),
        n_users=0,
        n_positives=0,
        metrics={},
        intervals={},
        baselines={},
        production=None,
        gate=asdict(verdict),
    )


def _publish(registry: Registry, run_id: str, result: EvaluationResult, as_of: datetime) -> None:
    """Metrics as `eval_…`, one step a day, so that MLflow draws them over time; and the report."""
    day = as_of.date()
    registry.log_metrics(
        run_id,
        {f"eval_{name}": value for name, value in result.metrics.items()},
        step=day.toordinal(),
        time_ms=int(as_of.timestamp() * 1000),
    )
    registry.log_text(run_id, report.markdown(result), f"evaluation/{day.isoformat()}.md")
    registry.log_text(
        run_id, json.dumps(asdict(result), indent=2), f"evaluation/{day.isoformat()}.json"
    )
