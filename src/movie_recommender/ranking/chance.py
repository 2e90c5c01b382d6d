"""Chance: what a ranker gets that knows nothing."""

import numpy as np

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Rows


class Random:
    """Every user gets a list of their own, drawn by chance.

    The scores depend on `seed` and the user's row alone: whom else is asked for, and in what
    order, changes nothing.

    Args:
        dataset: whom and what to score; its events aren't looked at.
        seed: chooses the draws, at least 0.
    """

    def __init__(self, dataset: Dataset, *, seed: int) -> None:
        self._n_movies = dataset.movies.num_rows
        self._seed = seed

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32, uniform in [0, 1)."""
        scores = np.empty((len(user_rows), self._n_movies), np.float32)
        for place, row in enumerate(user_rows):
            rng = np.random.default_rng([self._seed, int(row)])
            rng.random(out=scores[place], dtype=np.float32)
        return scores
