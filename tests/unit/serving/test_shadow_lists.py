import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from movie_recommender.serving import shadow_lists
from movie_recommender.serving.journal import Contact
from movie_recommender.serving.shadow_lists import Pair, ShadowLists


@pytest.fixture
def lists(tmp_path: Path) -> Iterator[ShadowLists]:
    with closing(ShadowLists(tmp_path / "lists")) as found:
        yield found


def pair(user_id: int = 1, shown_us: int = 10, *, production: frozenset[int]) -> Pair:
    return Pair(user_id, shown_us, ("1", "2"), production, frozenset({2, 3}))


def like(movie_id: int, time_us: int, user_id: int = 1) -> Contact:
    return Contact(user_id, movie_id, time_us, True)


def test_a_like_is_about_the_newest_list_that_was_shown_before_it(lists: ShadowLists) -> None:
    early, late = (pair(shown_us=t, production=frozenset({t})) for t in (10, 20))
    lists.add(late)
    lists.add(early)  # ranked later, by a slower worker
    assert lists.claim(like(5, 9)) is None
    assert lists.claim(like(5, 10)) == early
    assert lists.claim(like(6, 19)) == early
    assert lists.claim(like(5, 20)) == late
    assert lists.claim(like(5, 99, user_id=2)) is None


def test_whoever_asks_first_has_it_after_a_restart_too(lists: ShadowLists, tmp_path: Path) -> None:
    lists.add(pair(production=frozenset({1, 2})))
    assert lists.claim(like(1, 30)) is not None
    with closing(ShadowLists(tmp_path / "lists")) as other:
        assert other.claim(like(1, 30)) is None
        assert other.claim(like(2, 30)) is not None
    assert lists.claim(like(2, 40)) is None


def test_the_oldest_give_way_with_their_likes(
    lists: ShadowLists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_lists, "MAX_PAIRS", 2)
    for user in (1, 2, 3):
        lists.add(pair(user, production=frozenset()))
        assert lists.claim(like(7, 30, user)) is not None
    assert [lists.claim(like(8, 30, user)) is None for user in (1, 2, 3)] == [True, False, False]
    with closing(sqlite3.connect(tmp_path / "lists")) as file:
        assert file.execute("SELECT count(*) FROM pairs").fetchone() == (2,)
        assert file.execute("SELECT count(*) FROM likes").fetchone() == (4,)


def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(
    lists: ShadowLists, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "lists", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        lists.add(pair(production=frozenset()))
        other.execute("ROLLBACK")
    assert "a pair of lists wasn't kept: database is locked" in caplog.text
    assert lists.claim(like(1, 30)) is None


def test_agreement_and_whose_list_has_a_movie() -> None:
    found = pair(production=frozenset({1, 2}))
    assert found.agreement == 0.5
    assert pair(production=frozenset()).agreement == 1
    assert [found.where(movie) for movie in (1, 2, 3, 4)] == [
        "production", "both", "shadow", "neither"
    ]  # fmt: skip
