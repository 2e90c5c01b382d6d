"""Where a service of Apprise's sends to, by its URL; a token is never taken for a host."""

import pytest
from apprise import Apprise

from movie_recommender.doctor.channels import destination
from movie_recommender.doctor.reach import Place, place_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("json://hooks.example.com/alerts", Place("hooks.example.com", 80)),
        ("jsons://hooks.example.com:8443/alerts", Place("hooks.example.com", 8443)),
        ("mailtos://a:b@example.com?smtp=smtp.example.com", Place("smtp.example.com", 587)),
        ("discord://123456789/abcdefghij", Place("discord.com", 443)),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", None),
        (f"pagerduty://{'a' * 32}@{'b' * 20}", None),
        ("ntfy://a-secret-topic", None),
    ],
)
def test_a_service_leads_where_it_surely_does(url: str, place: Place | None) -> None:
    assert destination(Apprise.instantiate(url)) == place


def test_a_proxy_is_seen_but_for_whom_it_isnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    assert place_of("https://hooks.example.com/x").proxied
    assert not place_of("https://inside.example.com/x").proxied
