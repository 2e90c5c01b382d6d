"""What is liked lately: the popularity that forgets."""

from datetime import UTC, datetime

import numpy as np

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Rows

HALF_LIFE_DAYS = 365.0
"""The best full-catalogue NDCG@10 on ml-latest-small's validation window, of 1 to 1,500 days; on
the default world's, which has a month of history, all from 4 days on are alike within 1 %."""

_DAY_US = 86_400_000_000


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
        if dataset.times is None:
            message = "dataset.times is None: without times nothing is recent"
            raise ValueError(message)
        n_movies = dataset.movies.num_rows
        ages = (_microseconds(dataset.until) - dataset.times) / _DAY_US  # (P,) days, above 0
        counts = np.bincount(
            dataset.positives.indices, np.exp2(-ages / half_life_days), minlength=n_movies
        )
        self._counts: Floats = counts.astype(np.float32)  # (I,)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 decayed count of each movie's positives."""
        return np.broadcast_to(self._counts, (len(user_rows), self._counts.size))


def _microseconds(instant: datetime) -> int:
    """Since 1970, exactly."""
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
