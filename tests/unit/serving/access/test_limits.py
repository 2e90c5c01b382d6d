import pytest

from movie_recommender.serving.access import limits
from movie_recommender.serving.access.limits import Limiter, network_of


def test_a_burst_then_the_rate() -> None:
    now = [0.0]
    limiter = Limiter(rate=2, burst=3, clock=lambda: now[0])
    assert [limiter.wait_s("a") for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert limiter.wait_s("b") == 0
    now[0] = 0.25
    assert limiter.wait_s("a") == 0.25
    now[0] = 0.5
    assert [limiter.wait_s("a") for _ in range(2)] == [0, 0.5]
    now[0] = 1e6
    assert [limiter.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_memory_is_bounded_who_asked_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 3)
    limiter = Limiter(rate=1, burst=1, clock=lambda: 0.0)
    for who in ("a", "b", "a", "c", "d"):
        limiter.wait_s(who)
    assert list(limiter._buckets) == ["a", "c", "d"]
    assert limiter.wait_s("a") > 0


def test_one_network_of_ipv6_is_one_client() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9%eth0")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::nonsense::") == "::nonsense::"
