import math

import numpy as np
import pytest

from movie_recommender.evaluation import bootstrap


def interval(values: np.ndarray, *, seed: int = 0) -> bootstrap.Estimate:
    draws = bootstrap.resample({"a": values[:, None]}, seed=seed)["a"][:, 0]
    return bootstrap.estimate(values.mean(), draws)


def test_it_covers_the_mean_and_narrows_with_more_users() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1.0, 1.0, 50), rng.normal(1.0, 1.0, 5000)
    found = interval(few)
    assert found.low < few.mean() == found.value < found.high
    assert 2 * 1.96 / math.sqrt(50) == pytest.approx(found.high - found.low, rel=0.25)
    narrow = interval(many)
    assert narrow.high - narrow.low < (found.high - found.low) / 5


def test_equal_values_are_a_point() -> None:
    assert interval(np.zeros(9)) == bootstrap.Estimate(0.0, 0.0, 0.0)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    found = [interval(rng.exponential(1.0, 100), seed=seed) for seed in range(200)]
    held = np.mean([one.low <= 1.0 <= one.high for one in found])
    assert 0.88 <= held <= 0.99


def test_a_resample_is_a_mean_of_users_drawn_with_replacement() -> None:
    values = np.array([0.0, 1.0, 10.0])
    means = bootstrap.resample({"a": values[:, None]}, seed=0, resamples=5000)["a"][:, 0]
    possible = {(a + b + c) / 3 for a in values for b in values for c in values}
    assert all(any(math.isclose(mean, one) for one in possible) for mean in means)
    share = np.isclose(means, 10.0).mean()  # the third user thrice: once in 27
    assert share == pytest.approx(1 / 27, abs=0.01)


def test_differences_are_paired() -> None:
    values = np.random.default_rng(2).normal(size=(80, 1))
    draws = bootstrap.resample({"a": values + 0.25, "b": values}, seed=0)
    assert np.allclose(draws["a"] - draws["b"], 0.25)


def test_who_has_no_value_does_not_count() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0]])
    assert bootstrap.mean(values).tolist() == [2.0, 5.0]
    assert math.isnan(bootstrap.mean(np.full((2, 1), np.nan))[0])
    draws = bootstrap.resample({"a": values}, seed=0)["a"]
    assert set(np.unique(draws[~np.isnan(draws[:, 1]), 1])) == {5.0}
    assert np.isnan(draws[:, 1]).mean() == pytest.approx((2 / 3) ** 3, abs=0.05)
    assert bootstrap.estimate(5.0, draws[:, 1]) == bootstrap.Estimate(5.0, 5.0, 5.0)


def test_a_table_is_resampled_alike_in_any_company_and_in_any_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(70, 4)), rng.normal(size=(70, 2))
    alone = bootstrap.resample({"one": one}, seed=5)["one"]
    among = bootstrap.resample({"other": other, "one": one}, seed=5)["one"]
    assert (alone == among).all()
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 700)
    assert np.allclose(bootstrap.resample({"one": one}, seed=5)["one"], alone)
    assert not np.allclose(bootstrap.resample({"one": one}, seed=6)["one"], alone)
