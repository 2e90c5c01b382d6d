"""Whom and what a model is judged on: each positive of the window, and unseen movies beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from movie_recommender.evaluation.window import Window
from movie_recommender.ranking import Dataset
from movie_recommender.ranking.dataset import positives_between

Ints = npt.NDArray[np.int64]

N_NEGATIVES = 99
"""Unseen movies that each positive competes with (He et al. 2017, section 4.1)."""

_CELLS_AT_ONCE = 1 << 20
"""Pairs of a user and a movie looked at together: 4 MB of scores, which stay in the cache."""


@dataclass(frozen=True)
class Task:
    """The pairs that every model is judged on alike.

    Attributes:
        dataset: everything before the window.
        user: (P,) user row of each positive, ascending.
        movie: (P,) movie row of each positive.
        negatives: (P, 99) movie rows that the user had no contact with up to the window's end.
        hidden: (U, I) contacts up to the window's end, from which no negative is drawn.
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

    @property
    def place(self) -> Ints:
        """(P,) place of each positive's user in `users`."""
        return np.searchsorted(self.users, self.user)


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


def blocks(users: Ints, n_movies: int) -> Iterator[Ints]:
    """`users`, ascending, in parts whose scores for all movies fit into the cache."""
    size = max(1, _CELLS_AT_ONCE // max(1, n_movies))
    for start in range(0, len(users), size):
        yield users[start : start + size]


def _unseen(user: Ints, seen: csr_array, rng: np.random.Generator) -> Ints:
    """(P, 99) movie rows outside each user's row of `seen`; rejected draws are drawn again."""
    n_movies = seen.shape[1]
    draws = rng.integers(n_movies, size=(len(user), N_NEGATIVES))
    flat = draws.reshape(-1)
    again = np.flatnonzero(_contains(seen, user, draws))
    while again.size:
        flat[again] = rng.integers(n_movies, size=again.size)
        wrong = _contains(seen, user[again // N_NEGATIVES], flat[again, None])
        again = again[wrong[:, 0]]
    return draws


def _contains(matrix: csr_array, rows: Ints, columns: Ints) -> npt.NDArray[np.bool_]:
    """(Q, n) whether each (row, column) is stored in `matrix`; the (Q,) rows ascend."""
    found = np.empty(columns.shape, np.bool_)
    for users in blocks(np.unique(rows), matrix.shape[1]):
        part = slice(*np.searchsorted(rows, [users[0], users[-1] + 1]))
        stored = np.zeros((len(users), matrix.shape[1]), np.bool_)
        stored[matrix[users].nonzero()] = True
        found[part] = stored[np.searchsorted(users, rows[part])[:, None], columns[part]]
    return found
