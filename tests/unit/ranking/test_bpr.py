import numpy as np
import pytest
from scipy.sparse import csr_array

from movie_recommender.ranking import Dataset, bpr
from movie_recommender.ranking.bpr import BPR
from tests.unit.worlds import END, movies_table, users_table


def dataset(likes: np.ndarray) -> Dataset:
    positives = csr_array(likes.astype(np.float32))
    n_users, n_movies = positives.shape
    return Dataset(users_table(n_users), movies_table(n_movies), positives, positives, END)


@pytest.fixture
def likes() -> np.ndarray:
    likes = np.random.default_rng(2).random((40, 30)) < 0.2
    likes[:, :3] = np.random.default_rng(3).random((40, 3)) < 0.8  # known to all
    return likes


def test_the_seed_decides(likes: np.ndarray) -> None:
    rows = np.arange(40)
    first, again, other = (BPR(dataset(likes), seed=seed).scores(rows) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_who_has_no_history_gets_the_same_list_of_what_is_liked_most(likes: np.ndarray) -> None:
    likes[[5, 9]] = False
    scores = BPR(dataset(likes), seed=0).scores(np.array([5, 9]))
    assert (scores[0] == scores[1]).all()
    assert set(np.argsort(-scores[0])[:3]) == {0, 1, 2}


def test_a_movie_that_nobody_liked_comes_last(likes: np.ndarray) -> None:
    likes[:, 7] = False
    scores = BPR(dataset(likes), seed=0).scores(np.arange(40))
    assert (scores[:, 7] == -np.inf).all()
    assert np.isfinite(np.delete(scores, 7, axis=1)).all()


def test_the_number_of_draws_is_bounded(monkeypatch: pytest.MonkeyPatch, likes: np.ndarray) -> None:
    three = BPR(dataset(likes), seed=0, iterations=3).scores(np.arange(40))
    monkeypatch.setattr(bpr, "MAX_DRAWS", 3 * int(likes.sum()) + 1)
    bounded = BPR(dataset(likes), seed=0, iterations=100).scores(np.arange(40))
    assert (bounded == three).all()
