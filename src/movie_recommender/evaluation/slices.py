"""The parts of the window that a mean over all users can hide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender.evaluation import metrics
from movie_recommender.evaluation.lists import genres_of
from movie_recommender.evaluation.metrics import Floats, Ints
from movie_recommender.evaluation.task import Task

HEAD = 0.8
"""Share of the past positives that the head of the catalogue holds; the other movies are the tail.
"""

METRICS = ("ndcg_at_10", "hit_rate_at_10")
"""What each slice has: of one positive against its sampled movies, so that it can be divided."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """Some of the window's positives.

    Attributes:
        name: for example `new users` or `genre: Drama`.
        about: who or what is in it, in words.
        positives: (P,) which of the task's positives are in it.
    """

    name: str
    about: str
    positives: Mask


def slices_of(task: Task) -> list[Slice]:
    """The slices of `task` that have a positive: by user, by movie, by genre.

    Light and heavy users are the lower and the upper third, by positives before the window, of the
    judged users who have any; who has as many as the limit belongs to the lower side. The tail is
    what remains of the catalogue after the fewest movies that hold 80 % of the past positives. A
    slice may hold part of another.
    """
    found = [*_of_users(task), *_of_movies(task), *_of_genres(task)]
    return [part for part in found if part.positives.any()]


def columns(task: Task, slices: Sequence[Slice], ranks: Ints) -> Floats:
    """(J, 2 S): NDCG@10 of each slice, then HR@10 of each; means of its positives by user.

    NaN where a user has no positive in the slice.

    Args:
        task: what was judged.
        slices: S of them.
        ranks: (P,) places of the positives among their sampled movies.
    """
    user, n_users = task.place, len(task.users)
    values = [metrics.ndcg(ranks), metrics.hit_rate(ranks)]
    found = [
        metrics.mean_by_user(value[part.positives], user[part.positives], n_users)
        for value in values
        for part in slices
    ]
    return np.column_stack(found) if found else np.empty((n_users, 0))


def _of_users(task: Task) -> Iterator[Slice]:
    history = np.diff(task.dataset.positives.indptr)
    past = history[task.user]  # (P,)
    yield Slice("new users", "nothing liked before the window", past == 0)
    known = history[task.users]
    known = known[known > 0]
    if known.size:
        low, high = np.quantile(known, [1 / 3, 2 / 3], method="higher").astype(int)
        light = f"1 to {low} liked before the window"
        yield Slice("light users", light, (past > 0) & (past <= low))
        yield Slice("heavy users", f"more than {high} liked before the window", past > high)


def _of_movies(task: Task) -> Iterator[Slice]:
    liked = np.asarray(task.dataset.positives.sum(axis=0), np.int64)  # (I,)
    descending = np.sort(liked)[::-1]
    n_head = int(np.searchsorted(np.cumsum(descending), HEAD * liked.sum())) + 1
    in_head = np.zeros(len(liked), np.bool_)
    in_head[np.argsort(-liked, kind="stable")[:n_head]] = True
    tail = f"not among the {n_head} movies that hold {HEAD:.0%} of what was liked before"
    yield Slice("tail movies", tail, ~in_head[task.movie])
    yield Slice("new movies", "nobody liked it before the window", liked[task.movie] == 0)


def _of_genres(task: Task) -> Iterator[Slice]:
    names, has = genres_of(task.dataset.movies)
    for column, name in enumerate(names):
        yield Slice(f"genre: {name}", f"movies of the genre {name}", has[task.movie, column])
