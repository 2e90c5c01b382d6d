"""A model among other rankers, on the very pairs that the gate looks at."""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from movie_recommender.evaluation import gate, protocol
from movie_recommender.evaluation.contest import Contest
from movie_recommender.evaluation.run import SEED, check_as_of, task_of
from movie_recommender.features import FeatureStore
from movie_recommender.ranking import NeuMF, Oracle, Random, Scorer
from movie_recommender.ranking.baselines import fit_baselines
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ranked:
    """How one ranker did: means over users, [low, high] of their 95 % bootstrap intervals.

    `passes_gate`: a candidate of these metrics would pass, were there no model in production.
    """

    name: str
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    passes_gate: bool


@dataclass(frozen=True)
class Comparison:
    """Rankers side by side, the best NDCG@10 first; none where the window has no positive.

    `known_to_truth` is the share of the positives whose user and movie the truth has; None without
    a truth. The oracle ranks the others last.
    """

    version: int
    as_of: str
    window_start: str
    window_end: str
    n_users: int
    n_positives: int
    known_to_truth: float | None
    rankers: list[Ranked]


def compare(
    settings: Settings, *, as_of: datetime, version: int | None = None, truth: Path | None = None
) -> Comparison:
    """Judge a model version (`ncf`), the baselines, chance and the oracle on one window.

    Window and pairs are those of `evaluation.run` for the same version. Reads only; a second call
    gives the same numbers.

    Args:
        settings: the process's settings.
        as_of: the instant of the feature store's snapshot.
        version: the newest candidate when None.
        truth: folder that `sim/generate.py truth` wrote, best of the day before `as_of`; without
            it there is no oracle.

    Raises:
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        RegistryError: there is no such version, or its bundle is damaged.
        InputDataError: `truth` isn't such a folder, or that of another world.
    """
    registry = Registry(settings)
    chosen = registry.candidate() if version is None else registry.get(version)
    with (
        FeatureStore.open(settings.feature_store_path) as store,
        tempfile.TemporaryDirectory() as tmp,
    ):
        check_as_of(store, as_of)
        bundle, manifest = registry.download(chosen.version, Path(tmp))
        window, task = task_of(settings, store, as_of, not_before=manifest.trained_until)
        scorers: dict[str, Scorer] = {"ncf": NeuMF(bundle, task.dataset)}
    oracle = None if truth is None else Oracle(task.dataset, truth)
    if oracle is not None:
        scorers["oracle"] = oracle
    result = Comparison(
        version=chosen.version,
        as_of=window.end.isoformat(),
        window_start=window.start.isoformat(),
        window_end=window.end.isoformat(),
        n_users=len(task.users),
        n_positives=len(task.user),
        known_to_truth=None if oracle is None else _share_known(oracle, task),
        rankers=side_by_side(settings, task, scorers),
    )
    logger.info(
        "compared version=%s users=%s positives=%s ndcg_at_10=%s",
        result.version, result.n_users, result.n_positives,
        {ranked.name: round(ranked.metrics["ndcg_at_10"], 4) for ranked in result.rankers},
    )  # fmt: skip
    return result


def side_by_side(
    settings: Settings, task: protocol.Task, scorers: Mapping[str, Scorer]
) -> list[Ranked]:
    """`scorers` beside the baselines and chance, the best NDCG@10 first.

    All intervals come from the same resamples of users, so two rankers' can be held side by side.
    """
    if len(task.user) == 0:
        return []
    baselines = fit_baselines(task.dataset, seed=SEED)
    rankers = {**scorers, **baselines, "random": Random(task.dataset, seed=SEED)}
    judged = {name: protocol.judge(scorer, task) for name, scorer in rankers.items()}
    contest = Contest(task, judged, seed=SEED)
    ranked = [_ranked(settings, task, contest, name, baselines) for name in rankers]
    return sorted(ranked, key=lambda one: -one.metrics["ndcg_at_10"])


def _ranked(
    settings: Settings, task: protocol.Task, contest: Contest, name: str, rivals: Iterable[str]
) -> Ranked:
    metrics = contest.metrics(name)
    verdict = gate.decide(
        settings,
        n_users=len(task.users),
        n_movies=task.dataset.movies.num_rows,
        metrics=metrics,
        baselines={rival: contest.difference(name, rival) for rival in rivals},
    )
    return Ranked(
        name,
        {metric: estimate.value for metric, estimate in metrics.items()},
        {metric: estimate.interval() for metric, estimate in metrics.items()},
        verdict.passed,
    )


def _share_known(oracle: Oracle, task: protocol.Task) -> float | None:
    known = oracle.knows(task.user, task.movie)
    return float(known.mean()) if known.size else None
