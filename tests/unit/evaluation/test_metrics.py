import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

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


def test_reciprocal_rank_by_hand() -> None:
    assert metrics.reciprocal_rank(np.array([0, 1, 99])).tolist() == [1.0, 0.5, 0.01]


def test_global_auc_by_hand() -> None:
    # 0.9 is above 0.1, 0.4 and 0.6 of all four negatives, 0.5 above 0.1 and 0.4.
    negatives = np.array([[0.1, 0.95], [0.4, 0.6]], np.float32)
    values = metrics.global_auc(scores(0.9, 0.5), negatives, np.array([0, 1]), 2)
    assert values.mean() == pytest.approx(5 / 8)
    # Each on its own: 0.9 wins against one of its two, 0.5 too.
    own = metrics.auc(metrics.ranks(scores(0.9, 0.5), negatives), 2)
    assert own.mean() == 0.5


def test_a_users_part_in_the_global_auc_by_hand() -> None:
    # Of the four pairs of 2 and 1 with 1 and 0 all but the tie are in the right order: A = 3/4.
    # The first user's positive wins both pairs, and their negative ties with the other's 1:
    # f = 1, g = 1/2, dA/dw = (1 + 1/2 - 2 * 3/4) / 2 = 0. The second's: f = 1/2, g = 1, so 0 too.
    values = metrics.global_auc(scores(2, 1), np.array([[1], [0]], np.float32), np.array([0, 1]), 2)
    assert values.tolist() == pytest.approx([0.75, 0.75])
    # Two negatives each. f = 2/4 and 1/4; g = 0 (3 is above all) and the mean of 1/2 and 1.
    values = metrics.global_auc(
        scores(2, 1), np.array([[3, 3], [1, 0]], np.float32), np.array([0, 1]), 2
    )
    area = (2 + 1) / 8
    first, second = (0.5 + 0.0 - 2 * area) / 2, (0.25 + 0.75 - 2 * area) / 2
    assert values.tolist() == pytest.approx([area + 2 * first, area + 2 * second])


def test_in_the_global_auc_ties_and_nan_count_against_the_model() -> None:
    nan = float("nan")
    for positive, other in ((1.0, 1.0), (nan, 0.0), (1.0, nan), (nan, nan)):
        values = metrics.global_auc(
            scores(positive), np.array([[other]], np.float32), np.zeros(1, np.int64), 1
        )
        assert values.tolist() == [0.0]


def clustered(rng: np.random.Generator, n_users: int) -> tuple[np.ndarray, ...]:
    """Positive and negative scores of users who differ in level, and whose they are."""
    user = np.sort(np.concatenate([np.arange(n_users), rng.integers(n_users, size=n_users)]))
    level = rng.normal(size=n_users)[user]
    positive = (level + rng.normal(0.7, 1.0, len(user))).astype(np.float32)
    negatives = (level[:, None] + rng.normal(size=(len(user), 9))).astype(np.float32)
    return positive, negatives, user


def test_global_auc_is_the_statistic_of_mann_and_whitney() -> None:
    positive, negatives, user = clustered(np.random.default_rng(3), 200)
    pairs = mannwhitneyu(positive, negatives, axis=None).statistic
    expected = pairs / (positive.size * negatives.size)
    assert metrics.global_auc(positive, negatives, user, 200).mean() == pytest.approx(expected)


def test_the_global_aucs_values_vary_as_it_does_between_samples_of_users() -> None:
    rng = np.random.default_rng(4)
    found = [metrics.global_auc(*clustered(rng, 300), 300) for _ in range(200)]
    between = np.std([values.mean() for values in found])
    told = np.mean([values.std() / math.sqrt(300) for values in found])
    assert told == pytest.approx(between, rel=0.15)


def test_list_metrics_by_hand() -> None:
    # First and fourth place; thirteenth; tenth and eleventh of two.
    user = np.array([0, 0, 1, 2, 2])
    found = metrics.list_metrics(np.array([3, 0, 12, 9, 10]), user)
    ideal = 1 + 1 / math.log2(3)
    assert found["ndcg"].tolist() == pytest.approx(
        [(1 + 1 / math.log2(5)) / ideal, 0.0, 1 / math.log2(11) / ideal]
    )
    assert found["hit_rate"].tolist() == [1.0, 0.0, 1.0]
    assert found["recall"].tolist() == [1.0, 0.0, 0.5]
    assert found["reciprocal_rank"].tolist() == pytest.approx([1.0, 1 / 13, 0.1])


def test_a_list_full_of_relevant_movies_is_ideal() -> None:
    found = metrics.list_metrics(np.arange(12), np.zeros(12, np.int64))
    assert found["ndcg"].tolist() == pytest.approx([1.0])
    assert found["recall"].tolist() == pytest.approx([10 / 12])


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12),
    st.data(),
)
def test_places_are_those_in_a_list_with_what_is_not_relevant_first(
    costs: list[int], data: st.DataObject
) -> None:
    relevant = data.draw(st.lists(st.booleans(), min_size=len(costs), max_size=len(costs)))
    wanted = np.flatnonzero(relevant)
    cost = np.array(costs, np.float32)
    zeros = np.zeros(len(wanted), np.int64)
    not_worse = metrics.not_worse(np.sort(cost)[None], cost[wanted], zeros)
    assert not_worse.tolist() == [int((cost <= cost[movie]).sum()) for movie in wanted]
    places = metrics.places(not_worse, cost[wanted], zeros)
    order = sorted(range(len(costs)), key=lambda movie: (costs[movie], relevant[movie]))
    assert places.tolist() == [order.index(movie) for movie in wanted]
