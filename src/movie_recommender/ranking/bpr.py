"""Matrix factorisation by pairwise ranking, as the `implicit` library does it."""

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking  # type: ignore[import-untyped]

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.factors import fitted
from movie_recommender.ranking.scorer import Floats, Rows

FACTORS = 64
LEARNING_RATE = 0.005
REGULARISATION = 0.001
ITERATIONS = 150
"""The best full-catalogue NDCG@10 on the default world's validation window and on a held-out
positive a user of ml-latest-small, of d 16, 32 and 64, rates from 0.005 to 0.1 with 150 to 30
passes, and penalties from 0.001 to 0.1."""
MAX_DRAWS = 50_000_000
"""Pairs drawn at most: with very many positives it passes over them fewer times."""


class BPR:
    """Bayesian personalised ranking (Rendle et al. 2009, section 4.3.1, by stochastic gradients).

    score(u, i) = x_u . y_i + b_i, learned from pairs of a movie that u liked and another one. A
    user without history gets the b_i alone. A movie that nobody liked was never compared with
    another: it scores -inf. One thread draws and learns, so that the same seed gives the same
    scores.

    Args:
        dataset: whom and what to score; the liked movies are its positives.
        seed: of the vectors at the start and of the pairs drawn, at least 0.
        factors: length of the vectors.
        learning_rate: of a step.
        regularisation: L2 penalty on vectors and biases.
        iterations: passes over the positives, fewer where `MAX_DRAWS` is reached.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        factors: int = FACTORS,
        learning_rate: float = LEARNING_RATE,
        regularisation: float = REGULARISATION,
        iterations: int = ITERATIONS,
    ) -> None:
        positives = dataset.positives
        self._users, self._movies = fitted(  # (U, d + 1), the last 1; (I, d + 1), the last b
            BayesianPersonalizedRanking,
            positives,
            factors=factors,
            learning_rate=learning_rate,
            regularization=regularisation,
            iterations=max(1, min(iterations, MAX_DRAWS // max(1, positives.nnz))),
            num_threads=1,
            random_state=seed,
        )
        self._users[np.diff(positives.indptr) == 0, :-1] = 0.0
        liked = np.bincount(positives.indices, minlength=dataset.movies.num_rows) > 0
        self._floor: Floats = np.where(liked, np.float32(0), np.float32(-np.inf))  # (I,)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32, comparable within a user's row."""
        return np.asarray(self._users[user_rows] @ self._movies.T + self._floor, np.float32)
