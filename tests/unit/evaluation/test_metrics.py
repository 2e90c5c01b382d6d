import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_recommender.evaluation import metrics


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_rank_counts_what_scores_at_least_as_high() -> None:
    others = np.array([[3, 1, 0], [2, 2, 2], [5, 6, 7]], np.float32)
    assert metrics.ranks(scores(2, 2, 4), others).tolist() == [1, 3, 3]


def test_constant_scores_rank_last() -> None:
    rank = metrics.ranks(np.zeros(4, np.float32), np.zeros((4, 99), np.float32))
    assert rank.tolist() == [99] * 4
    assert metrics.auc(rank, 99).tolist() == [0.0] * 4
    assert metrics.ndcg(rank).tolist() == [0.0] * 4


def test_nan_never_helps_the_model() -> None:
    nan = float("nan")
    assert metrics.ranks(scores(nan), np.array([[1, 2]], np.float32)).tolist() == [2]
    assert metrics.ranks(scores(5), np.array([[nan, 2]], np.float32)).tolist() == [1]


def test_ndcg_by_hand() -> None:
    # First place: 1 / log2(2) = 1; third: 1 / log2(4) = 0.5; eleventh: outside the list.
    assert metrics.ndcg(np.array([0, 2, 9, 10])).tolist() == pytest.approx(
        [1.0, 0.5, 1.0 / math.log2(11), 0.0]
    )
    assert metrics.hit_rate(np.array([0, 9, 10])).tolist() == [1.0, 1.0, 0.0]


def test_mean_by_user_weighs_users_alike() -> None:
    means = metrics.mean_by_user(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 2]), 3)
    assert means[0] == 0.5
    assert math.isnan(means[1])
    assert means[2] == 1.0


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    st.integers(-3, 3),
)
def test_auc_is_the_share_of_pairs_in_the_right_order(others: list[int], positive: int) -> None:
    rank = metrics.ranks(scores(positive), np.array([others], np.float32))
    expected = sum(other < positive for other in others) / len(others)
    assert metrics.auc(rank, len(others))[0] == pytest.approx(expected)


def test_bootstrap_covers_the_mean_and_narrows_with_more_users() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1.0, 1.0, 50), rng.normal(1.0, 1.0, 5000)
    low, high = metrics.bootstrap_interval(few, rng=rng)
    assert low < few.mean() < high
    assert 2 * 1.96 / math.sqrt(50) == pytest.approx(high - low, rel=0.25)
    narrow = metrics.bootstrap_interval(many, rng=rng)
    assert narrow[1] - narrow[0] < (high - low) / 5


def test_bootstrap_of_equal_values_is_a_point() -> None:
    assert metrics.bootstrap_interval(np.zeros(9), rng=np.random.default_rng(1)) == (0.0, 0.0)
