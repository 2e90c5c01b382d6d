from datetime import date, timedelta

import numpy as np
import pytest

from movie_recommender.simulation.audience import activity, audience, user_attributes
from movie_recommender.simulation.names import COUNTRIES, DEVICES

SCOPE = (3, 1000, 500, "users")
IDS = np.arange(1, 4001)
DAY = date(2026, 3, 1)


def agreement(days: int) -> float:
    """Mean cosine of the users' tastes on `DAY` and so many days later."""
    now, then = (audience(SCOPE, IDS, day).taste for day in (DAY, DAY + timedelta(days=days)))
    return float(np.einsum("bd,bd->b", now, then).mean() / 16)


def test_a_taste_lasts_and_drifts_a_little_each_day() -> None:
    assert agreement(0) == pytest.approx(1)
    assert 0.9995 < agreement(1) < 1
    assert 0.85 < agreement(31) < 0.98
    assert 0.5 < agreement(150) < 0.75
    # What is still there after years is what lasts.
    assert 0.6 < agreement(3000) < 0.85


def test_tastes_are_equally_strong_and_no_two_alike() -> None:
    taste = audience(SCOPE, IDS, DAY).taste
    assert np.linalg.norm(taste, axis=1) == pytest.approx(np.full(len(IDS), 4), rel=1e-5)
    alike = taste[:-1:2] @ taste[1::2].T / 16
    assert abs(alike.mean()) < 0.1
    assert alike.max() < 0.95


def test_country_and_age_lean_on_taste() -> None:
    taste = audience(SCOPE, IDS, DAY).taste
    country = np.array(user_attributes(SCOPE, IDS)["country"].to_pylist())
    means = [taste[country == name].mean(axis=0) for name in COUNTRIES]
    expected_by_chance = 4 / np.sqrt((country == "US").sum())
    assert np.linalg.norm(means[0] - taste.mean(axis=0)) > 3 * expected_by_chance


def test_activity_is_log_normal_with_mean_one() -> None:
    values = activity(SCOPE, IDS)
    assert values.mean() == pytest.approx(1, abs=0.08)
    logs = np.log(values)
    assert logs.std() == pytest.approx(1.0, abs=0.04)
    assert abs(((logs - logs.mean()) ** 3).mean() / logs.std() ** 3) < 0.15


def test_a_user_is_the_same_in_any_company() -> None:
    some = IDS[[70, 3, 2000]]
    assert (audience(SCOPE, some, DAY).taste == audience(SCOPE, IDS, DAY).taste[some - 1]).all()
    assert user_attributes(SCOPE, some).equals(user_attributes(SCOPE, IDS).take(some - 1))


def test_attributes_have_the_shares_of_a_public() -> None:
    table = user_attributes(SCOPE, IDS)
    ages = table["age"].to_numpy()
    assert (ages.min(), 34 < np.median(ages) < 38) == (14, True)
    assert set(table["country"].to_pylist()) == set(COUNTRIES)
    assert set(table["device"].to_pylist()) == set(DEVICES)
    assert np.mean(np.array(table["country"].to_pylist()) == "US") == pytest.approx(0.3, abs=0.03)
