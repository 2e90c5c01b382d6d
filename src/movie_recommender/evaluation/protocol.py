"""Whom and what a model is judged on: the newest window, each positive against unseen movies."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from movie_recommender.evaluation import metrics
from movie_recommender.ranking import Dataset, Scorer
from movie_recommender.ranking.dataset import positives_between

Ints = npt.NDArray[np.int64]

N_NEGATIVES = 99
"""Unseen movies that each positive competes with (He et al. 2017, section 4.1)."""

_USERS_AT_ONCE = 256
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """The newest events, [start, end)."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Task:
    """The pairs that every model is judged on alike.

    Attributes:
        dataset: everything before the window.
        user: (P,) user row of each positive, ascending.
        movie: (P,) movie row of each positive.
        negatives: (P, 99) movie rows that the user had no contact with up to the window's end.
        hidden: (U, I) contacts up to the window's end; left out of full-catalogue ranking.
    """

    dataset: Dataset
    user: Ints
    movie: Ints
    negatives: Ints
    hidden: csr_array

    @property
    def users(self) -> Ints:
        """(J,) rows of the users who are judged."""
        return np.unique(self.user)


@dataclass(frozen=True)
class Judgement:
    """Metrics by user, (J,) each in the order of `Task.users`.

    `auc`, `ndcg_at_10`, `hit_rate_at_10` against the sampled movies; `full_…` against the whole
    catalogue but for what the user has seen.
    """

    auc: metrics.Floats
    ndcg_at_10: metrics.Floats
    hit_rate_at_10: metrics.Floats
    full_ndcg_at_10: metrics.Floats
    full_hit_rate_at_10: metrics.Floats

    def means(self) -> dict[str, float]:
        """Mean over users of each metric."""
        return {name: float(values.mean()) for name, values in vars(self).items()}

    def intervals(self, rng: np.random.Generator) -> dict[str, list[float]]:
        """95 % bootstrap interval, [low, high], of each metric's mean."""
        return {
            name: list(metrics.bootstrap_interval(values, rng=rng))
            for name, values in vars(self).items()
        }


def newest_window(frame: pa.Table, *, end: datetime, days: int, min_users: int) -> Window:
    """The last `days` before `end`, widened backwards until `min_users` have a positive in it.

    It never takes more than the newest half of the positives, so that something is left to learn
    from; a short history makes it shorter than `days`. It begins at midnight where it can.
    """
    positives = frame.filter(pc.equal(frame["label"], 1)).sort_by("event_time")
    start = end - timedelta(days=days)
    half = positives.num_rows // 2
    if half == 0:
        return Window(start, end)
    newest_first = positives["user_id"].to_numpy()[::-1]
    _, first_seen = np.unique(newest_first, return_index=True)
    needed = int(np.sort(first_seen)[min(min_users, len(first_seen)) - 1])
    widened = _midnight(positives["event_time"][positives.num_rows - 1 - needed].as_py())
    earliest: datetime = positives["event_time"][positives.num_rows - half].as_py()
    next_midnight = _midnight(earliest - _MICROSECOND) + timedelta(days=1)
    if next_midnight < end:
        earliest = next_midnight
    return Window(max(min(start, widened), earliest), end)


def _midnight(instant: datetime) -> datetime:
    """The start of the instant's day."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def make_task(
    frame: pa.Table, window: Window, *, users: pa.Table, movies: pa.Table, seed: int
) -> Task:
    """Each first positive inside the window, with movies that its user had no contact with.

    Movies are drawn with replacement. A positive is left out where its user has seen everything.
    A movie that was only viewed before the window and liked in it counts: what is predicted is the
    first positive.
    """
    before = Dataset.before(window.start, frame, users=users, movies=movies)
    hidden = Dataset.before(window.end, frame, users=users, movies=movies).seen
    positives = positives_between(frame, window.start, window.end, users=users, movies=movies)
    user, movie = positives.nonzero()
    n_unseen = hidden.shape[1] - np.diff(hidden.indptr)
    keep = n_unseen[user] > 0
    user, movie = user[keep].astype(np.int64), movie[keep].astype(np.int64)
    negatives = _unseen(user, hidden, np.random.default_rng(seed))
    return Task(before, user, movie, negatives, hidden)


def judge(scorer: Scorer, task: Task) -> Judgement:
    """How well `scorer` ranks the task's positives; needs at least one."""
    sampled = np.empty(len(task.user), np.int64)
    full = np.empty(len(task.user), np.int64)
    for users in np.split(task.users, range(_USERS_AT_ONCE, len(task.users), _USERS_AT_ONCE)):
        scores = scorer.scores(users)  # (B, I)
        pairs = slice(*np.searchsorted(task.user, [users[0], users[-1] + 1]))
        row = np.searchsorted(users, task.user[pairs])  # (p,)
        positive = scores[row, task.movie[pairs]]  # (p,)
        sampled[pairs] = metrics.ranks(positive, scores[row[:, None], task.negatives[pairs]])
        candidates = np.array(scores, np.float32)
        seen = task.hidden[users]
        candidates[seen.nonzero()] = -np.inf
        full[pairs] = metrics.ranks(positive, candidates[row])
    rows = np.searchsorted(task.users, task.user)
    n = len(task.users)

    def by_user(values: metrics.Floats) -> metrics.Floats:
        return metrics.mean_by_user(values, rows, n)

    return Judgement(
        auc=by_user(metrics.auc(sampled, N_NEGATIVES)),
        ndcg_at_10=by_user(metrics.ndcg(sampled)),
        hit_rate_at_10=by_user(metrics.hit_rate(sampled)),
        full_ndcg_at_10=by_user(metrics.ndcg(full)),
        full_hit_rate_at_10=by_user(metrics.hit_rate(full)),
    )


def _unseen(user: Ints, seen: csr_array, rng: np.random.Generator) -> Ints:
    """(P, 99) movie rows outside each user's row of `seen`; rejected draws are drawn again."""
    n_movies = seen.shape[1]
    draws = rng.integers(n_movies, size=(len(user), N_NEGATIVES))
    owners = np.broadcast_to(user[:, None], draws.shape)
    wrong = _contains(seen, owners.ravel(), draws.ravel()).reshape(draws.shape)
    while wrong.any():
        draws[wrong] = rng.integers(n_movies, size=int(wrong.sum()))
        redrawn = np.flatnonzero(wrong)
        still = _contains(seen, owners.ravel()[redrawn], draws.ravel()[redrawn])
        wrong.ravel()[redrawn] = still
    return draws


def _contains(matrix: csr_array, rows: Ints, columns: Ints) -> npt.NDArray[np.bool_]:
    """(P,) whether each (row, column) is stored in `matrix`."""
    n_columns = matrix.shape[1]
    owners = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys = owners * n_columns + matrix.indices  # ascending: indices are sorted
    wanted = rows.astype(np.int64) * n_columns + columns
    if keys.size == 0:
        return np.zeros(wanted.shape, np.bool_)
    position = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return np.asarray(keys[position] == wanted, np.bool_)
