"""Models side by side: what each did, how sure that is, and who is ahead of whom."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from movie_recommender.evaluation import bootstrap, slices
from movie_recommender.evaluation.bootstrap import Estimate, Floats
from movie_recommender.evaluation.protocol import Judgement
from movie_recommender.evaluation.slices import Slice
from movie_recommender.evaluation.task import Task

LEADING = "ndcg_at_10"
"""The metric by which one model is ahead of another."""


@dataclass(frozen=True)
class SliceResult:
    """What a model did on a slice, and how far it is ahead of production there (NDCG@10)."""

    name: str
    about: str
    n_users: int
    n_positives: int
    ndcg_at_10: Estimate
    hit_rate_at_10: Estimate
    against_production: Estimate | None = None


class Contest:
    """Judgements of one task, averaged over the same resamples of its users.

    Args:
        task: what was judged, with a positive at least.
        judged: model's name to its judgement.
        seed: of the resamples.
    """

    def __init__(self, task: Task, judged: Mapping[str, Judgement], *, seed: int) -> None:
        self.judged = judged
        self.slices = slices.slices_of(task)
        self._sizes = [_size(task, part) for part in self.slices]
        tables = {
            name: np.hstack([one.table(), slices.columns(task, self.slices, one.ranks)])
            for name, one in judged.items()
        }
        self._names = {name: tuple(one.by_user) for name, one in judged.items()}
        self._means = {name: bootstrap.mean(table) for name, table in tables.items()}
        self._resampled = bootstrap.resample(tables, seed=seed)

    @property
    def models(self) -> tuple[str, ...]:
        """Who was judged, in the order given."""
        return tuple(self._means)

    def metrics(self, model: str) -> dict[str, Estimate]:
        """Each metric of `model` that any user has."""
        return {
            name: self._estimate(model, column)
            for column, name in enumerate(self._names[model])
            if not np.isnan(self._means[model][column])
        }

    def difference(self, model: str, other: str) -> Estimate:
        """NDCG@10 of `model` less that of `other`, paired by user."""
        return self._difference(model, other, self._names[model].index(LEADING))

    def by_slice(self, model: str, *, production: str | None = None) -> list[SliceResult]:
        """What `model` did on each slice, beside `production` where there is one."""
        first = len(self._names[model])
        return [
            SliceResult(
                part.name,
                part.about,
                *size,
                self._estimate(model, first + place),
                self._estimate(model, first + len(self.slices) + place),
                None if production is None else self._difference(model, production, first + place),
            )
            for place, (part, size) in enumerate(zip(self.slices, self._sizes, strict=True))
        ]

    def _estimate(self, model: str, column: int) -> Estimate:
        return bootstrap.estimate(self._means[model][column], self._draws(model, column))

    def _difference(self, model: str, other: str, column: int) -> Estimate:
        mean = self._means[model][column] - self._means[other][column]
        draws = self._draws(model, column) - self._draws(other, column)
        return bootstrap.estimate(mean, draws)

    def _draws(self, model: str, column: int) -> Floats:
        return self._resampled[model][:, column]


def ahead(differences: Mapping[str, Estimate]) -> list[str]:
    """The rivals that a model is behind, be it by chance: negative differences, lowest first."""
    behind = [name for name, difference in differences.items() if difference.value < 0.0]
    return sorted(behind, key=lambda name: differences[name].value)


def _size(task: Task, part: Slice) -> tuple[int, int]:
    """Users and positives of a slice."""
    return len(np.unique(task.user[part.positives])), int(part.positives.sum())
