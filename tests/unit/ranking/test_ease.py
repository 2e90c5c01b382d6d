import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.ease import EASE, weights
from tests.unit.worlds import END, movies_table, users_table


def dataset(likes: np.ndarray) -> Dataset:
    positives = csr_array(likes.astype(np.float32))
    n_users, n_movies = positives.shape
    return Dataset(users_table(n_users), movies_table(n_movies), positives, positives, END)


def by_ridge(likes: np.ndarray, penalty: float) -> np.ndarray:
    """Each movie regressed on all the others: what a diagonal of zeros means."""
    n = likes.shape[1]
    result = np.zeros((n, n))
    for i in range(n):
        others = np.delete(np.arange(n), i)
        x = likes[:, others].astype(np.float64)
        gram = x.T @ x + penalty * np.eye(n - 1)
        result[others, i] = np.linalg.solve(gram, x.T @ likes[:, i])
    return result


def test_two_movies_by_hand() -> None:
    # Two users like both, one the first alone: b(0, 1) = 2 / (3 + 1), b(1, 0) = 2 / (2 + 1).
    found = weights(np.array([[3.0, 2.0], [2.0, 2.0]]), regularisation=1.0)
    assert found == pytest.approx(np.array([[0, 2 / 4], [2 / 3, 0]]))


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 10.0, 300.0]))
def test_it_is_a_ridge_regression_on_the_other_movies(seed: int, penalty: float) -> None:
    likes = np.random.default_rng(seed).random((25, 9)) < 0.3
    scores = EASE(dataset(likes), regularisation=penalty).scores(np.arange(25))
    assert scores == pytest.approx(likes @ by_ridge(likes, penalty), abs=1e-5)


def test_movies_that_nobody_liked_change_nothing_and_score_zero() -> None:
    likes = np.random.default_rng(1).random((30, 10)) < 0.3
    with_unknown = np.insert(likes, [0, 4, 10], False, axis=1)
    places = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    plain = EASE(dataset(likes)).scores(np.arange(30))
    padded = EASE(dataset(with_unknown)).scores(np.arange(30))
    assert padded[:, places] == pytest.approx(plain, abs=1e-7)
    assert not np.delete(padded, places, axis=1).any()
