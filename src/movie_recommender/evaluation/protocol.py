"""How a model is judged: each positive against unseen movies, and the list of the whole catalogue.

What it is judged on is made in `task` and `window`; their names can be had from here too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from movie_recommender.evaluation import bootstrap, lists, metrics
from movie_recommender.evaluation.metrics import Floats, Ints, Scores
from movie_recommender.evaluation.task import N_NEGATIVES, Task, blocks, make_task
from movie_recommender.evaluation.window import Window, newest_window
from movie_recommender.ranking import Scorer

__all__ = ["Judgement", "Task", "Window", "judge", "make_task", "newest_window"]


@dataclass(frozen=True)
class Judgement:
    """What one model did.

    `auc`, `ndcg_at_10`, `hit_rate_at_10` and `mrr` are of each positive against its sampled movies,
    averaged by user; `global_auc` is of all these scores together. `full_…`, and coverage, novelty,
    diversity and calibration, are of the user's list from the whole catalogue, but for what the
    user had seen before the window, and for what has no score (NaN, minus infinity). Only of
    `calibration_at_10` less is better.

    Attributes:
        by_user: metric, in the order of the reports, to (J,) values in the order of `Task.users`,
            whose mean is the metric; NaN for users whom it doesn't exist for.
        ranks: (P,) sampled movies that score at least as high as the positive.
        lists: (J, 10) movie rows of the lists, the best first, -1 where there is none; a catalogue
            of fewer movies has fewer columns.
    """

    by_user: dict[str, Floats]
    ranks: Ints
    lists: Ints

    def table(self) -> Floats:
        """(J, M) values by user, a column a metric."""
        return np.column_stack(list(self.by_user.values()))

    def means(self) -> dict[str, float]:
        """Mean over users of each metric that any user has."""
        means = bootstrap.mean(self.table())
        return {
            name: float(mean)
            for name, mean in zip(self.by_user, means, strict=True)
            if not np.isnan(mean)
        }


class _Block(NamedTuple):
    """What is known of some users: positives' scores, sampled scores, places; lists and theirs."""

    positive: Scores
    negatives: Scores
    place: Ints
    lists: Ints
    novelty: Floats
    diversity: Floats
    calibration: Floats


def judge(scorer: Scorer, task: Task) -> Judgement:
    """How well `scorer` ranks the task's positives; needs at least one."""
    users, user = task.users, task.place
    catalogue = lists.Catalogue.of(task.dataset)
    n_movies = task.dataset.positives.shape[1]
    found = [_judge(scorer, task, part, catalogue) for part in blocks(users, n_movies)]
    block = _Block(*(np.concatenate(column) for column in zip(*found, strict=True)))
    rank = metrics.ranks(block.positive, block.negatives)
    full = metrics.list_metrics(block.place, user)

    def by_user(values: Floats) -> Floats:
        return metrics.mean_by_user(values, user, len(users))

    values = {
        "ndcg_at_10": by_user(metrics.ndcg(rank)),
        "hit_rate_at_10": by_user(metrics.hit_rate(rank)),
        "mrr": by_user(metrics.reciprocal_rank(rank)),
        "auc": by_user(metrics.auc(rank, N_NEGATIVES)),
        "global_auc": metrics.global_auc(block.positive, block.negatives, user, len(users)),
        "full_ndcg_at_10": full["ndcg"],
        "full_hit_rate_at_10": full["hit_rate"],
        "full_recall_at_10": full["recall"],
        "full_mrr": full["reciprocal_rank"],
        "coverage_at_10": lists.coverage(block.lists, n_movies),
        "novelty_at_10": block.novelty,
        "diversity_at_10": block.diversity,
        "calibration_at_10": block.calibration,
    }
    return Judgement(values, rank, block.lists)


def _judge(scorer: Scorer, task: Task, users: Ints, catalogue: lists.Catalogue) -> _Block:
    pairs = slice(*np.searchsorted(task.user, [users[0], users[-1] + 1]))
    user = np.searchsorted(users, task.user[pairs])  # (p,)
    movie, negatives = task.movie[pairs], task.negatives[pairs]
    cost = np.negative(scorer.scores(users), dtype=np.float32)  # (B, I), the lowest is shown first
    positive, sampled = -cost[user, movie], -cost[user[:, None], negatives]
    seen = task.dataset.seen[users]
    cost[seen.nonzero()] = cost[np.isnan(cost)] = np.inf
    limit = cost[user, movie]
    n_shown = cost.shape[1] - np.diff(seen.indptr)[user]  # (p,) where all that isn't seen is shown
    not_worse = metrics.not_worse(np.sort(cost, axis=1), limit, user)
    place = metrics.places(np.minimum(not_worse, n_shown), limit, user)
    shown = lists.best(cost)
    return _Block(
        positive,
        sampled,
        place,
        shown,
        catalogue.novelty(shown),
        catalogue.diversity(shown),
        catalogue.calibration(shown, users),
    )
