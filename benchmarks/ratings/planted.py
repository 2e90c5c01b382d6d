"""Positives with a taste behind them, of any size, where no real ratings are at hand."""

import numpy as np
import numpy.typing as npt

from ratings.case import Case
from ratings.leave_one_out import case, hide_one, matrix

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

TASTES = 16
"""Dimensions of the taste."""
TASTE_WEIGHT = 1.5
"""Standard deviation of a user's utilities by taste; that by chance is 1.3 (Gumbel)."""
POPULARITY_WEIGHT = 1.2
"""Standard deviation of the movies' log popularity."""
FEWEST = 20
"""Positives that each user has at least, as in MovieLens."""

_CELLS_AT_ONCE = 4_000_000


def planted(n_users: int, n_movies: int, n_positives: int, *, seed: int) -> Ints:
    """(P, 2) user and movie rows, P near `n_positives`, by user.

    Each user likes the movies of the highest utility: popularity + taste + a Gumbel draw, which is
    to draw without replacement with odds of e^(popularity + taste) (Plackett-Luce; Yellott 1977).
    How many they like is log-normal.
    """
    rng = np.random.default_rng(seed)
    popularity = rng.normal(0.0, POPULARITY_WEIGHT, n_movies).astype(np.float32)  # (I,)
    movies = rng.standard_normal((n_movies, TASTES), np.float32)  # (I, d)
    counts = _counts(n_users, n_movies, n_positives, rng)
    step = max(1, _CELLS_AT_ONCE // n_movies)
    liked = []
    for start in range(0, n_users, step):
        size = min(step, n_users - start)
        users = rng.standard_normal((size, TASTES), np.float32)  # (b, d)
        utility = users @ movies.T * np.float32(TASTE_WEIGHT / TASTES**0.5) + popularity  # (b, I)
        draws = rng.standard_exponential(utility.shape, np.float32)
        utility -= np.log(np.maximum(draws, np.float32(1e-30)))  # one in millions is 0
        liked += [
            # A copy: a view would keep the whole row's order alive.
            np.argpartition(-row, count)[:count].astype(np.int32)
            for row, count in zip(utility, counts[start : start + size], strict=True)
        ]
    return np.stack([np.repeat(np.arange(n_users), counts), np.concatenate(liked)], axis=1)


def planted_case(n_users: int, n_movies: int, n_positives: int, *, seed: int) -> Case:
    """Such positives with one of each user hidden, at random, among 99 others."""
    pairs = planted(n_users, n_movies, n_positives, seed=seed)
    shape = (n_users, n_movies)
    positives = matrix(pairs, shape)
    parts = hide_one(positives, positives, np.random.default_rng(seed))
    return case(f"planted world {seed}", *parts, shape)


def _counts(n_users: int, n_movies: int, n_positives: int, rng: np.random.Generator) -> Ints:
    """(U,) positives of each user, from `FEWEST` to a half of the movies."""
    draws = rng.lognormal(0.0, 1.0, n_users)
    above = max(0, n_positives - FEWEST * n_users)
    counts = FEWEST + draws / draws.sum() * above
    return np.minimum(counts, n_movies // 2).astype(np.int64)
