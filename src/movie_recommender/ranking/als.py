"""Matrix factorisation by alternating least squares, as the `implicit` library does it."""

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares  # type: ignore[import-untyped]

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.factors import fitted
from movie_recommender.ranking.scorer import Floats, Rows

FACTORS = 64
REGULARISATION = 100.0
ALPHA = 20.0
ITERATIONS = 15
"""Near the best full-catalogue NDCG@10 both on the default world's validation window and on a
held-out positive a user of ml-latest-small, of d 32 and 64, l from 1 to 300 and a from 3 to 40:
0.090 where the best for that world alone (l 200, a 40) has 0.096, and 0.039 where the best for
MovieLens alone (l 30, a 5) has 0.044."""


class ALS:
    """Collaborative filtering for implicit feedback (Hu, Koren, Volinsky 2008, equations 3 to 5).

    score(u, i) = x_u . y_i, where x and y minimise the sum over all cells of c (p - x_u . y_i)^2
    plus l (|x|^2 + |y|^2): p is 1 with c = a in a positive, and 0 with c = 1 elsewhere. A user
    without history and a movie that nobody liked get the vector 0 and score 0 throughout. Each
    vector is solved for by one thread, so that the number of threads changes nothing.

    Args:
        dataset: whom and what to score; p is its positives.
        seed: of the vectors at the start, at least 0.
        factors: length of the vectors.
        regularisation: l, above 0.
        alpha: a, above 0.
        iterations: how often both sides are solved for.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        factors: int = FACTORS,
        regularisation: float = REGULARISATION,
        alpha: float = ALPHA,
        iterations: int = ITERATIONS,
    ) -> None:
        self._users, self._movies = fitted(  # (U, d), (I, d)
            AlternatingLeastSquares,
            dataset.positives,
            factors=factors,
            regularization=regularisation,
            alpha=alpha,
            iterations=iterations,
            random_state=seed,
        )

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 estimate of p, the preference."""
        return np.asarray(self._users[user_rows] @ self._movies.T, np.float32)
