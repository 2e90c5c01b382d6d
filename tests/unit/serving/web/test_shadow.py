"""What the model room shows of a shadow."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from scipy.stats import binomtest

from movie_recommender.serving.cache import ModelState
from movie_recommender.serving.context import Context
from movie_recommender.serving.metrics import SHADOW_AGREEMENT, SHADOW_LIKES, SHADOW_SECONDS
from movie_recommender.serving.web.shadow import (
    mean_share,
    paired_difference,
    shadow_views,
    share,
)
from tests.unit.serving.web.conftest import read


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 5), (5, 5), (120, 400)])
def test_a_shares_interval_is_wilsons(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = share(hits, n)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_the_mean_share_of_tens_is_that_of_the_lists() -> None:
    shares = np.random.default_rng(0).integers(0, 11, 300) / 10
    buckets = {end / 10: float(np.count_nonzero(shares < end / 10 + 0.05)) for end in range(11)}
    buckets[float("inf")] = 300.0
    found = mean_share(buckets, float(shares.sum()))
    reach = 1.96 * shares.std() / np.sqrt(300)
    assert found.value == pytest.approx(shares.mean())
    assert (found.low, found.high) == pytest.approx((shares.mean() - reach, shares.mean() + reach))


def test_the_difference_is_of_the_same_likes() -> None:
    one = np.array([1] * 30 + [0] * 10 + [1] * 25 + [0] * 35)
    other = np.array([0] * 30 + [1] * 10 + [1] * 25 + [0] * 35)
    gaps = one - other
    found = paired_difference(30, 10, 100)
    reach = 1.96 * gaps.std() / 10
    assert found.value == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx((0.2 - reach, 0.2 + reach))


def test_counters_of_two_pairs_of_versions_are_kept_apart() -> None:
    registry = CollectorRegistry()
    versions = ["production", "shadow"]
    tenths = [tenth / 10 for tenth in range(11)]
    agreement = Histogram(
        "serving_shadow_agreement", "", versions, buckets=tenths, registry=registry
    )
    seconds = Histogram("serving_shadow_seconds", "", ["shadow"], registry=registry)
    likes = Counter("serving_shadow_likes", "", [*versions, "list"], registry=registry)
    for value in (0.2, 0.4):
        agreement.labels("1", "2").observe(value)
    agreement.labels("1", "10").observe(1.0)
    seconds.labels("2").observe(0.004)
    likes.labels("1", "2", "shadow").inc(3)
    likes.labels("1", "2", "production").inc(1)
    newest, other = shadow_views(registry)
    assert (newest.shadow, newest.lists, newest.likes, newest.hit_rates) == ("10", 1, 0, None)
    assert (other.production, other.shadow, other.lists, other.likes) == ("1", "2", 2, 4)
    assert other.agreement.value == pytest.approx(0.3)
    assert other.milliseconds == pytest.approx(4.0)
    assert other.hit_rates is not None
    assert [rate.value for rate in other.hit_rates] == [0.25, 0.75]
    assert other.difference is not None
    assert other.difference.value == 0.5


def test_the_room_shows_it(browse: Callable[..., httpx.Response], loaded: Context) -> None:
    assert "% of the lists" not in read(browse("/models")).text
    loaded.folder.say_shadow(ModelState(71, "bundles/71-a"))
    versions = {"production": "70", "shadow": "71"}
    SHADOW_AGREEMENT.labels(**versions).observe(0.7)
    SHADOW_SECONDS.labels("71").observe(0.002)
    text = read(browse("/models")).text
    assert "Version 71 ranks 10 % of the lists" in text
    assert "none yet" in text
    SHADOW_LIKES.labels(**versions, list="both").inc()
    text = read(browse("/models")).text
    assert "1.0000" in text
    loaded.folder.say_shadow(ModelState(refused="version 72: a file was altered"))
    assert "version 72: a file was altered" in read(browse("/models")).text
