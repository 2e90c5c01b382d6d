"""A few users' lists with titles, for people to look at."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from movie_recommender.evaluation.metrics import Ints
from movie_recommender.evaluation.slices import slices_of
from movie_recommender.evaluation.task import Task

GROUPS = ("new users", "light users", "heavy users")
N_LIKED = 5
"""Movies shown of what a user liked last."""


@dataclass(frozen=True)
class Movie:
    """A movie as it is shown; `liked` where its user liked it in the window."""

    title: str
    year: int | None
    genres: tuple[str, ...]
    liked: bool = False


@dataclass(frozen=True)
class Example:
    """One user: what they liked last, what they would have been shown, what they liked then.

    Attributes:
        user_id: of the user.
        group: slice that the user stands for.
        history: at most `N_LIKED` movies, the last first where times are known.
        n_history: how many they are of.
        shown: the list, the best first.
        missed: movies liked in the window that aren't in the list.
    """

    user_id: int
    group: str
    history: tuple[Movie, ...]
    n_history: int
    shown: tuple[Movie, ...]
    missed: tuple[Movie, ...]


def examples_of(task: Task, lists: Ints, *, seed: int) -> list[Example]:
    """One user of each of `GROUPS` that has any, drawn with `seed`.

    Args:
        task: what was judged.
        lists: (J, k) movie rows of the judged users' lists.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    drawn = {
        part.name: int(rng.choice(np.unique(task.user[part.positives])))
        for part in slices_of(task)
        if part.name in GROUPS
    }
    return [_example(task, lists, user, group) for group, user in drawn.items()]


def _example(task: Task, lists: Ints, user: int, group: str) -> Example:
    dataset, place = task.dataset, int(np.searchsorted(task.users, user))
    part = slice(*dataset.positives.indptr[[user, user + 1]])
    history = dataset.positives.indices[part].astype(np.int64)
    if dataset.times is not None:
        history = history[np.argsort(-dataset.times[part], kind="stable")]
    liked = task.movie[task.user == user]
    shown = lists[place][lists[place] >= 0]
    return Example(
        user_id=int(dataset.user_ids[user]),
        group=group,
        history=_movies(dataset.movies, history[:N_LIKED]),
        n_history=len(history),
        shown=_movies(dataset.movies, shown, liked=liked),
        missed=_movies(dataset.movies, liked[~np.isin(liked, shown)], liked=liked),
    )


def _movies(movies: pa.Table, rows: Ints, *, liked: Ints | None = None) -> tuple[Movie, ...]:
    found = movies.select(["title", "year", "genres"]).take(pa.array(rows)).to_pylist()
    hits = np.isin(rows, [] if liked is None else liked)
    return tuple(
        Movie(movie["title"], movie["year"], tuple(movie["genres"] or ()), bool(hit))
        for movie, hit in zip(found, hits, strict=True)
    )
