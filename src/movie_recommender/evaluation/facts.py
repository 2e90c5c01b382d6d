"""What the evaluation's page shows besides the result: gathered from the contest and the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import Contest, SliceResult
from movie_recommender.evaluation.examples import Example, examples_of
from movie_recommender.evaluation.lists import Catalogue, genres_of
from movie_recommender.evaluation.metrics import Ints
from movie_recommender.evaluation.result import CANDIDATE, EvaluationResult
from movie_recommender.evaluation.task import Task
from movie_recommender.features import Snapshot
from movie_recommender.registry import Manifest
from movie_recommender.registry.client import PRODUCTION

Curves = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class GenreShare:
    """A genre's share in what the judged users liked before, and in their lists; means of users."""

    genre: str
    liked: float
    shown: float


@dataclass(frozen=True)
class Facts:
    """What the page shows besides the result itself.

    Attributes:
        models: name to metrics, the judged version first.
        slices: of the judged version.
        curves: metric of the training to (step, value), in order.
        genres: liked and shown.
        examples: a few users' lists.
        drift: feature to its distance from the snapshot that production learned from.
        versions: what was judged on which data, by name.
    """

    models: Mapping[str, Mapping[str, Estimate]]
    slices: Sequence[SliceResult]
    curves: Curves
    genres: Sequence[GenreShare]
    examples: Sequence[Example]
    drift: Mapping[str, float]
    versions: Mapping[str, str]


def facts_of(
    result: EvaluationResult,
    task: Task,
    contest: Contest | None,
    *,
    snapshot: Snapshot,
    manifest: Manifest,
    curves: Curves,
    seed: int,
) -> Facts:
    """The facts beside `result`.

    Args:
        result: of the contest.
        task: what was judged.
        contest: None where there was nothing to judge.
        snapshot: of the feature store.
        manifest: of the judged version's bundle.
        curves: of its training.
        seed: draws the users whose lists are shown.
    """
    models: dict[str, Mapping[str, Estimate]] = {}
    slices: list[SliceResult] = []
    genres: list[GenreShare] = []
    examples: list[Example] = []
    if contest is not None:
        names = _names(result)
        models = {names.get(name, name): contest.metrics(name) for name in contest.models}
        production = PRODUCTION if PRODUCTION in contest.models else None
        slices = contest.by_slice(CANDIDATE, production=production)
        lists = contest.judged[CANDIDATE].lists
        genres = genre_shares(task, lists)
        examples = examples_of(task, lists, seed=seed)
    versions = _versions(result, snapshot, manifest)
    return Facts(models, slices, curves, genres, examples, snapshot.drift, versions)


def genre_shares(task: Task, lists: Ints) -> list[GenreShare]:
    """Each genre's shares, the most liked first; of users who have liked, and are shown, a genre.

    Args:
        task: what was judged.
        lists: (J, k) movie rows of the judged users' lists.
    """
    liked, shown = Catalogue.of(task.dataset).genre_shares(lists, task.users)
    known = ~np.isnan(liked + shown).any(axis=1)
    if not known.any():
        return []
    names, _ = genres_of(task.dataset.movies)
    means = zip(names, liked[known].mean(axis=0), shown[known].mean(axis=0), strict=True)
    shares = [GenreShare(name, float(wanted), float(found)) for name, wanted, found in means]
    return sorted(shares, key=lambda share: -share.liked)


def _names(result: EvaluationResult) -> dict[str, str]:
    names = {CANDIDATE: f"version {result.version}"}
    if result.production is not None:
        names[PRODUCTION] = f"production (version {result.production['version']})"
    return names


def _versions(result: EvaluationResult, snapshot: Snapshot, manifest: Manifest) -> dict[str, str]:
    judged_on = {
        "Judged on snapshot": snapshot.id,
        "as of": snapshot.as_of.isoformat(),
        "lake versions": _pairs(snapshot.lake_versions),
        "feature store made by": f"{snapshot.code_version}, {snapshot.engine}",
    }
    learned_from = {
        f"Version {result.version} learned from snapshot": manifest.snapshot_id,
        "from events before": manifest.trained_until,
        "lake versions then": _pairs(manifest.lake_versions),
        "trained by": manifest.code_version,
        "training": _pairs(manifest.config),
    }
    return judged_on | learned_from


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
