import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.als import ALS
from tests.unit.worlds import END, movies_table, users_table


def dataset(likes: np.ndarray) -> Dataset:
    positives = csr_array(likes.astype(np.float32))
    n_users, n_movies = positives.shape
    return Dataset(users_table(n_users), movies_table(n_movies), positives, positives, END)


def solved(likes: np.ndarray, alpha: float, penalty: float, *, d: int) -> np.ndarray:
    """The paper's equations 4 and 5 with dense matrices, started from elsewhere."""
    rng = np.random.default_rng(8)
    sides = [rng.random((n, d)) * 0.01 for n in likes.shape]
    for round_ in range(200):
        side = round_ % 2
        fixed = sides[1 - side]
        for row, liked in enumerate(likes if side == 0 else likes.T):
            confidence = np.where(liked, alpha, 1.0)
            gram = fixed.T @ (confidence[:, None] * fixed) + penalty * np.eye(d)
            sides[side][row] = np.linalg.solve(gram, fixed.T @ (confidence * liked))
    return np.asarray(sides[0] @ sides[1].T)


def test_like_a_second_implementation() -> None:
    likes = np.random.default_rng(6).random((30, 15)) < 0.3
    # With one factor there is one minimum, from wherever the search starts.
    model = ALS(dataset(likes), seed=0, factors=1, regularisation=0.5, alpha=4.0, iterations=100)
    expected = solved(likes, 4.0, 0.5, d=1)
    assert model.scores(np.arange(30)) == pytest.approx(expected, abs=1e-3)


def test_without_likes_the_score_is_zero() -> None:
    likes = np.random.default_rng(2).random((12, 9)) < 0.4
    likes[3] = False
    likes[:, 5] = False
    scores = ALS(dataset(likes), seed=0).scores(np.arange(12))
    assert not scores[3].any()
    assert not scores[:, 5].any()
    assert scores[np.ix_(likes.any(axis=1), likes.any(axis=0))].all()


def test_it_leaves_the_threads_of_blas_as_they_were() -> None:
    before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    ALS(dataset(np.eye(4)), seed=0)
    after = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    assert all(after[path] == threads for path, threads in before)
