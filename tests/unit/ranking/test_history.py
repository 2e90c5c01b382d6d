import numpy as np
import pytest
from scipy.sparse import csr_array

from movie_recommender.ranking.history import (
    ALL_ALIKE,
    Recency,
    history_matrix,
    oldest_first,
    recency_weights,
)

HALVING = Recency(half_life=1.0, floor=0.0)


def matrix(rows: list[list[int]], n_movies: int) -> csr_array:
    dense = np.zeros((len(rows), n_movies), np.float32)
    for user, movies in enumerate(rows):
        dense[user, movies] = 1.0
    return csr_array(dense)


def test_the_newest_movie_weighs_most() -> None:
    weights = recency_weights(np.array([3, 0, 1]), HALVING)
    length = np.sqrt(1 + 1 / 4 + 1 / 16)
    np.testing.assert_allclose(weights, [0.25 / length, 0.5 / length, 1 / length, 1.0], rtol=1e-6)


def test_the_oldest_keep_the_floor() -> None:
    weights = recency_weights(np.array([40]), Recency(half_life=1.0, floor=0.2))
    assert weights[0] / weights[-1] == pytest.approx(0.2, rel=1e-6)
    assert np.all(np.diff(weights) >= 0.0)
    assert np.sum(weights**2) == pytest.approx(1.0, rel=1e-6)


def test_all_alike_is_svd_plus_plus() -> None:
    weights = recency_weights(np.array([4, 1]), ALL_ALIKE)
    np.testing.assert_allclose(weights, [0.5] * 4 + [1.0])


def test_no_histories_no_weights() -> None:
    assert recency_weights(np.array([0, 0]), HALVING).shape == (0,)
    assert recency_weights(np.array([], np.int64), HALVING).shape == (0,)


def test_weights_lie_where_the_movies_are() -> None:
    positives = matrix([[0, 2, 3], [], [1]], 4)
    times = np.array([30, 10, 20, 5])  # user 0: movie 2, then 3, then 0
    assert oldest_first(positives, times).tolist() == [1, 2, 0, 3]
    weights = history_matrix(positives, times, HALVING).toarray()
    length = np.sqrt(1 + 1 / 4 + 1 / 16)
    np.testing.assert_allclose(weights[0], np.array([1.0, 0.0, 0.25, 0.5]) / length, rtol=1e-6)
    assert weights[1].tolist() == [0.0] * 4
    assert weights[2].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_movies_liked_at_once_go_by_row_and_unknown_times_weigh_alike() -> None:
    positives = matrix([[1, 3]], 4)
    assert oldest_first(positives, np.array([7, 7])).tolist() == [0, 1]
    alike = history_matrix(positives, None, HALVING).toarray()
    np.testing.assert_allclose(alike, [[0.0, 0.5**0.5, 0.0, 0.5**0.5]], rtol=1e-6)
