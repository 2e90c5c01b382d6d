"""What is liked lately: the popularity that forgets."""

import numpy as np

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Rows

HALF_LIFE_DAYS = 365.0
"""The best full-catalogue NDCG@10 on ml-latest-small's validation window, of 1 to 1,500 days; on
the default world's, which has a month of history, all from 4 days on are alike within 1 %."""


class RecentPopularity:
    """Every user gets the same list: movies by their positives, each the less the older it is.

    score(i) = sum of 2^(-(T - t) / h) over the first positives of i, with t when it came, T the
    instant before which everything in the data set lies, and h the half-life (exponential
    forgetting; Koren 2009, section 3, weighs ratings likewise). A movie that nobody liked scores 0,
    as does one whose positives are all older than some 150 half-lives.

    Args:
        dataset: whom and what to score; its positives must have times.
        half_life_days: h, above 0.

    Raises:
        ValueError: the data set has no times.
    """

    def __init__(self, dataset: Dataset, *, half_life_days: float = HALF_LIFE_DAYS) -> None:
        n_movies = dataset.movies.num_rows
        weights = np.exp2(-dataset.ages_days() / half_life_days)  # (P,)
        counts = np.bincount(dataset.positives.indices, weights, minlength=n_movies)
        self._counts: Floats = counts.astype(np.float32)  # (I,)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 decayed count of each movie's positives."""
        return np.broadcast_to(self._counts, (len(user_rows), self._counts.size))
