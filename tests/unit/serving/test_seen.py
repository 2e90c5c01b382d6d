from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving import seen as seen_module
from movie_recommender.serving.journal import Contact, Journal, JournalReader
from movie_recommender.serving.seen import Seen
from tests.unit.worlds import END, frame_table, movies_table, users_table

ReaderOf = Callable[[Journal], JournalReader]
SeenNow = Callable[[], Seen]

NOW = END + timedelta(hours=5)
# User 1 (row 0) saw movie 10 (row 1) and liked movie 3 (row 0).
ROWS = [(0, 1, 2.0, 0), (0, 0, 1.0, 1)]


@pytest.fixture
def contacts() -> Contacts:
    data = Dataset.before(END, frame_table(ROWS), users=users_table(2), movies=movies_table(9))
    return Contacts.of(data, snapshot_id="snap")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def post(
    journal: Journal,
    user: int,
    movie: int,
    *,
    liked: bool = False,
    disliked: bool = False,
    days_ago: float = 0,
) -> None:
    time_us = int((NOW - timedelta(days=days_ago)).timestamp() * 1e6)
    journal.append(Contact(user, movie, time_us, liked, disliked), now=NOW)


@pytest.fixture
def seen_now(contacts: Contacts, journal: Journal, reader_of: ReaderOf) -> Callable[[], Seen]:
    """Everything that the snapshot and the journal have at this moment."""

    def seen() -> Seen:
        found = Seen(contacts, reader_of(journal))
        found.catch_up(now=NOW)
        return found

    return seen


def known(seen: Seen, user: int) -> tuple[list[int], list[int], int]:
    found = seen.of(user)
    return found.liked.tolist(), found.unliked.tolist(), found.stamp[1]


def test_without_events_it_is_the_snapshot(journal: Journal, seen_now: SeenNow) -> None:
    assert known(seen_now(), 1) == ([3], [10], 0)
    assert known(seen_now(), 999) == ([], [], 0)


def test_events_since_come_last(journal: Journal, seen_now: SeenNow) -> None:
    post(journal, 1, 24, liked=True)
    post(journal, 1, 17, liked=False)
    post(journal, 999, 24, liked=True)
    assert known(seen_now(), 1) == ([3, 24], [10, 17], 2)
    assert known(seen_now(), 999) == ([24], [], 3)


def test_a_movie_that_is_liked_later_is_the_newest_like(
    journal: Journal, seen_now: SeenNow
) -> None:
    post(journal, 1, 17, liked=False)
    post(journal, 1, 24, liked=True)
    post(journal, 1, 17, liked=True)
    post(journal, 1, 10, liked=True)  # seen before the snapshot, liked since
    assert known(seen_now(), 1) == ([3, 24, 17, 10], [], 4)


def test_what_the_snapshot_has_and_what_is_repeated_changes_nothing(
    journal: Journal, seen_now: SeenNow
) -> None:
    post(journal, 1, 3, liked=True)
    post(journal, 1, 10, liked=False)
    assert known(seen_now(), 1)[2] == 0
    for _ in range(3):
        post(journal, 1, 24, liked=True)
    post(journal, 1, 24, liked=False)
    assert known(seen_now(), 1) == ([3, 24], [10], 1)


def test_the_last_word_counts(journal: Journal, seen_now: SeenNow) -> None:
    post(journal, 1, 24, liked=True)
    post(journal, 1, 24, disliked=True)
    post(journal, 1, 3, disliked=True)  # the snapshot says that he likes it
    post(journal, 1, 10, disliked=True)  # and that he met this one: nothing new
    assert known(seen_now(), 1) == ([], [10, 24, 3], 3)
    post(journal, 1, 24)  # he watches it all the same
    assert known(seen_now(), 1) == ([], [10, 24, 3], 3)
    post(journal, 1, 3, liked=True)
    assert known(seen_now(), 1) == ([3], [10, 24], 4)
    post(journal, 1, 3, disliked=True)
    assert known(seen_now(), 1) == ([], [10, 24, 3], 5)
    assert seen_now().n_events == 2


def test_another_state_has_another_stamp_even_after_it_was_forgotten(
    journal: Journal, seen_now: SeenNow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_module, "MAX_EVENTS", 1)
    seen = seen_now()
    found = {}
    for user, movie in ((50, 1), (51, 1), (50, 2)):
        post(journal, user, movie, liked=True)
        seen.catch_up(now=NOW)
        state = seen.of(50)
        found[state.stamp] = state.liked.tolist()
    assert list(found.values()) == [[1], [], [2]]


def test_what_never_reached_the_lake_is_dropped_in_the_end(
    journal: Journal, seen_now: SeenNow
) -> None:
    post(journal, 1, 24, liked=True, days_ago=3)
    post(journal, 1, 31, liked=True, days_ago=1)
    assert known(seen_now(), 1)[0] == [3, 31]


def test_memory_is_bounded_the_longest_silent_go_first(
    journal: Journal, seen_now: SeenNow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_module, "MAX_EVENTS", 3)
    for user, movie in ((50, 1), (51, 1), (50, 2), (52, 1)):
        post(journal, user, movie, liked=True)
    seen = seen_now()
    assert (seen.n_events, seen.forgotten) == (3, 1)
    assert [len(seen.of(user).liked) for user in (50, 51, 52)] == [2, 0, 1]
