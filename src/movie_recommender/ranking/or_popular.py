"""What a ranker that knows only histories does about users without one."""

import numpy as np

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Popularity, Rows, Scorer


class OrPopular:
    """A ranker's scores; for a user without history, popularity's.

    Without it such a user's scores are all alike, which counts as the worst list there is, and
    whoever has any answer for newcomers would win by that alone.

    Args:
        scorer: ranks the others.
        dataset: whom `scorer` ranks for; histories and popularity are its positives.
    """

    def __init__(self, scorer: Scorer, dataset: Dataset) -> None:
        self._scorer = scorer
        self._popularity = Popularity(dataset)
        self._new = np.diff(dataset.positives.indptr) == 0  # (U,)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32, comparable within a user's row."""
        scores = np.array(self._scorer.scores(user_rows), np.float32)  # (B, I)
        new = self._new[user_rows]
        scores[new] = self._popularity.scores(user_rows[new])
        return scores
