import numpy as np
from scipy.sparse import csr_array

from movie_recommender.ranking import Dataset, Random
from movie_recommender.ranking.or_popular import OrPopular
from tests.unit.worlds import END, movies_table, users_table

LIKES = csr_array(np.array([[1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]], np.float32))
DATASET = Dataset(users_table(4), movies_table(3), LIKES, LIKES, END)


def test_users_without_history_get_popularity_and_the_others_their_own() -> None:
    own = Random(DATASET, seed=1)
    scores = OrPopular(own, DATASET).scores(np.array([3, 0, 1, 2]))
    assert scores.dtype == np.float32
    assert (scores[[0, 2]] == [2, 0, 1]).all()
    assert (scores[[1, 3]] == own.scores(np.array([0, 2]))).all()


def test_what_the_ranker_hands_out_stays_as_it_is() -> None:
    kept = np.zeros((1, 3), np.float32)

    class Constant:
        def scores(self, user_rows: np.ndarray) -> np.ndarray:
            return kept

    OrPopular(Constant(), DATASET).scores(np.array([1]))
    assert not kept.any()
