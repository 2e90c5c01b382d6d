from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset, item_knn
from movie_recommender.ranking.item_knn import ItemKNN
from tests.unit.worlds import END, checkerboard, movies_table, users_table

# Users by movies: two like 0 and 1, one 0 and 2, one 3 alone; nobody likes 4, the last likes none.
LIKES = [
    [1, 1, 0, 0, 0],
    [1, 1, 0, 0, 0],
    [1, 0, 1, 0, 0],
    [0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0],
]


def matrix(likes: object) -> csr_array:
    return csr_array(np.array(likes, np.float32))


def dataset(likes: object) -> Dataset:
    positives = matrix(likes)
    n_users, n_movies = positives.shape
    return Dataset(users_table(n_users), movies_table(n_movies), positives, positives, END)


def similar(likes: object, *, neighbours: int = 100, shrinkage: float = 0.0) -> np.ndarray:
    found = item_knn.similarities(matrix(likes), neighbours=neighbours, shrinkage=shrinkage)
    return found.toarray()


def by_hand(likes: np.ndarray, k: int, h: float) -> np.ndarray:
    """The same in loops: a second implementation."""
    n = likes.sum(axis=0)
    result = np.zeros((len(n), len(n)))
    for i in range(len(n)):
        both = {j: likes[:, i] @ likes[:, j] for j in range(len(n)) if j != i}
        values = {j: count / (sqrt(n[i] * n[j]) + h) for j, count in both.items() if count}
        for j in sorted(values, key=lambda j: (-values[j], j))[:k]:
            result[i, j] = values[j]
    return result


def test_similarity_is_the_shrunk_cosine() -> None:
    plain = similar(LIKES)
    assert plain[0, 1] == plain[1, 0] == pytest.approx(2 / sqrt(3 * 2))
    assert plain[0, 2] == pytest.approx(1 / sqrt(3 * 1))
    assert np.count_nonzero(plain) == 4  # no movie is its own neighbour, 3 and 4 have none
    shrunk = similar(LIKES, shrinkage=10.0)
    assert shrunk[0, 1] == pytest.approx(2 / (sqrt(6) + 10))


def test_scores_are_sums_over_the_liked_neighbours() -> None:
    scores = ItemKNN(dataset(LIKES), neighbours=100, shrinkage=0.0).scores(np.array([2, 0, 3, 4]))
    near, far = 2 / sqrt(6), 1 / sqrt(3)
    assert scores.dtype == np.float32
    # The third user likes 0 and 2: 0 is like 2, 1 is like 0, 2 is like 0.
    assert scores[0] == pytest.approx([far, near, far, 0, 0])
    assert scores[1] == pytest.approx([near, near, far, 0, 0])
    assert (scores[2:] == 0).all()  # a lonely movie, and a user without history
    both = ItemKNN(dataset([*LIKES, [0, 1, 1, 0, 0]]), neighbours=100, shrinkage=0.0)
    assert both.scores(np.array([5]))[0, 0] == pytest.approx(2 / 3 + 1 / sqrt(6))


def test_only_the_nearest_count() -> None:
    one = similar(LIKES, neighbours=1)
    assert one[0].nonzero()[0].tolist() == [1]
    assert one[2].nonzero()[0].tolist() == [0]
    # Each scored movie has its own nearest: 2 counts for 0's neighbours no more, 0 does for 2.
    scores = ItemKNN(dataset(LIKES), neighbours=1, shrinkage=0.0).scores(np.array([2]))
    assert scores[0] == pytest.approx([0, 2 / sqrt(6), 1 / sqrt(3), 0, 0])


def test_of_equally_near_movies_the_lower_row_counts() -> None:
    alike = np.ones((3, 6))
    nearest = similar(alike, neighbours=2)
    assert [row.nonzero()[0].tolist() for row in nearest] == [
        [1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1],
    ]  # fmt: skip


@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 1.0, 30.0]))
def test_like_a_second_implementation(seed: int, k: int, h: float) -> None:
    likes = np.random.default_rng(seed).random((15, 12)) < 0.3
    found = similar(likes, neighbours=k, shrinkage=h)
    assert found == pytest.approx(by_hand(likes.astype(np.float64), k, h))


@given(st.integers(0, 2**32))
def test_the_order_of_users_and_movies_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    likes = (rng.random((20, 9)) < 0.3).astype(np.float32)
    users, movies = rng.permutation(20), rng.permutation(9)
    plain = ItemKNN(dataset(likes), shrinkage=2.0).scores(np.arange(20))
    moved = ItemKNN(dataset(likes[users]), shrinkage=2.0).scores(np.arange(20))
    assert (moved == plain[users]).all()
    moved = ItemKNN(dataset(likes[:, movies]), shrinkage=2.0).scores(np.arange(20))
    assert moved == pytest.approx(plain[:, movies], rel=1e-5)


@pytest.mark.parametrize("pairs_at_once", [1, 30, 77])
def test_comparing_in_blocks_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    likes = np.random.default_rng(3).random((40, 25)) < 0.3
    whole = similar(likes, neighbours=5, shrinkage=1.0)
    monkeypatch.setattr(item_knn, "_PAIRS_AT_ONCE", pairs_at_once)
    assert (similar(likes, neighbours=5, shrinkage=1.0) == whole).all()


def test_asking_for_users_one_by_one_changes_nothing() -> None:
    likes = np.random.default_rng(4).random((30, 20)) < 0.3
    model = ItemKNN(dataset(likes), neighbours=4)
    rows = np.array([7, 0, 29, 7])
    together = model.scores(rows)
    assert all((model.scores(rows[[i]])[0] == together[i]).all() for i in range(4))


def test_it_learns_the_checkerboard() -> None:
    frame, users, movies = checkerboard()
    window = protocol.Window(END.replace(day=19), END)
    task = protocol.make_task(frame, window, users=users, movies=movies, seed=0)
    means = protocol.judge(ItemKNN(task.dataset), task).means()
    # All but the few unseen movies of the user's own colour score lower: 20 of 24 at least.
    assert means["auc"] > 20 / 24
    assert means["full_hit_rate_at_10"] == 1.0


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 4), (3, 4)])
def test_nothing_to_learn_from_scores_zero(shape: tuple[int, int]) -> None:
    scores = ItemKNN(dataset(np.zeros(shape))).scores(np.arange(shape[0]))
    assert scores.shape == shape
    assert not scores.any()
