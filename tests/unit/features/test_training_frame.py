"""Every column of the training frame against values worked out by hand."""

from datetime import datetime
from typing import Any

import pytest


def row(frame: list[dict[str, Any]], user_id: int, movie_id: int) -> dict[str, Any]:
    (found,) = [r for r in frame if (r["user_id"], r["movie_id"]) == (user_id, movie_id)]
    return found


def test_label_by_contact(world):
    contacts: dict[int, tuple[str, dict[str, Any], int | None]] = {
        1: ("like", {}, 1),
        2: ("rating", {"rating": 3.5}, 1),
        3: ("rating", {"rating": 3.4}, 0),
        4: ("watch", {"fraction": 0.5}, 1),
        5: ("watch", {"fraction": 0.49}, 0),
        6: ("view", {}, 0),
        7: ("impression", {"position": 1}, None),  # no contact: no row
        8: ("search", {"query": "x", "movie_id": None}, None),
    }
    for user, (event_type, fields, _) in contacts.items():
        world.add("interactions", event_type, "06-01", **{"user_id": user, "movie_id": 2, **fields})
    labels = {r["user_id"]: r["label"] for r in world.frame("06-02")}
    assert labels == {u: label for u, (_, _, label) in contacts.items() if label is not None}


def test_row_stands_at_the_first_positive_else_at_the_first_contact(world):
    world.act("view", 1, 10, "06-01 08:00")
    world.act("like", 1, 10, "06-03 09:00")  # the first positive
    world.act("rating", 1, 10, "06-04", rating=5.0)
    world.act("watch", 1, 11, "06-02", fraction=0.1)  # never positive: its first contact
    world.act("view", 1, 11, "06-05")
    frame = world.frame("06-06")
    assert [(r["movie_id"], r["event_time"].isoformat(), r["label"]) for r in frame] == [
        (11, "2026-06-02T00:00:00+00:00", 0),
        (10, "2026-06-03T09:00:00+00:00", 1),
    ]
    assert [r["weight"] for r in frame] == [1.0, 1.0]


def test_rows_are_sorted_by_time_user_movie(world):
    for user, movie, when in ((2, 1, "06-02"), (1, 9, "06-02"), (1, 3, "06-02"), (7, 7, "06-01")):
        world.act("view", user, movie, when)
    keys = [(r["user_id"], r["movie_id"]) for r in world.frame("06-03")]
    assert keys == [(7, 7), (1, 3), (1, 9), (2, 1)]


def test_user_features_of_a_row(world):
    world.act("like", 1, 10, "06-01")
    world.act("like", 1, 10, "06-02")  # the same movie again: still one positive
    world.act("rating", 1, 11, "06-02", rating=4.0)
    world.act("rating", 1, 12, "06-03", rating=1.5)
    world.act("search", 1, None, "06-05", query="x")  # activity, no contact
    world.act("like", 2, 13, "06-01")  # another user's
    world.act("rating", 1, 14, "06-09 00:00", rating=5.0)  # same day as the row: not yet seen
    world.act("view", 1, 15, "06-09 23:59")
    frame = world.frame("06-10")
    # Before 06-09: positives 10 and 11; ratings 4.0 and 1.5, mean 2.75; last active 06-05.
    seen = row(frame, 1, 15)
    assert (seen["user_positives"], seen["user_rating_mean"], seen["user_days_since_last"]) == (
        2,
        2.75,
        4.0,
    )
    first = row(frame, 1, 10)
    assert (first["user_positives"], first["user_rating_mean"], first["user_days_since_last"]) == (
        0,
        None,
        None,
    )


def test_movie_features_of_a_row(world):
    world.act("like", 1, 10, "06-01")  # 8 days before 06-09: out of the week
    world.act("like", 2, 10, "06-02")  # 7 days before: in
    world.act("like", 2, 10, "06-04")  # the same user again: still one positive
    world.act("like", 3, 10, "06-08 23:59")  # the day before: in
    world.act("view", 4, 10, "06-08")
    world.act("like", 5, 10, "06-09 00:00")  # the row's day: not yet
    world.act("like", 6, 11, "06-08")  # another movie
    world.act("view", 9, 10, "06-09 12:00")
    frame = world.frame("06-10")
    last = row(frame, 9, 10)
    assert (last["movie_positives"], last["movie_positives_7d"]) == (3, 2)
    first = row(frame, 1, 10)
    assert (first["movie_positives"], first["movie_positives_7d"]) == (0, 0)


def test_movie_rating_mean_is_shrunk_to_the_prior_of_earlier_days(world):
    world.act("rating", 1, 10, "06-01", rating=5.0)
    world.act("rating", 2, 10, "06-02", rating=4.0)
    world.act("rating", 3, 11, "06-02", rating=0.5)
    world.act("view", 4, 10, "06-03")
    world.act("view", 4, 12, "06-03")
    world.act("view", 5, 13, "06-03")
    world.act("view", 4, 13, "06-04")
    frame = world.frame("06-05")
    # Nothing is known of a movie before the day after its first interaction.
    assert row(frame, 1, 10)["movie_rating_mean"] is None
    assert row(frame, 3, 11)["movie_rating_mean"] is None
    assert row(frame, 4, 12)["movie_rating_mean"] is None
    # 06-02: prior 5.0 (one rating, of movie 10): (10 * 5 + 5) / 11 = 5.
    assert row(frame, 2, 10)["movie_rating_mean"] == 5.0
    # 06-03: prior (5 + 4 + 0.5) / 3 = 9.5 / 3; movie 10: (10 * 9.5 / 3 + 9) / 12 = 122 / 36.
    assert row(frame, 4, 10)["movie_rating_mean"] == pytest.approx(122 / 36, rel=1e-15)
    # 06-04: movie 13 was seen and not rated: the prior.
    assert row(frame, 4, 13)["movie_rating_mean"] == pytest.approx(9.5 / 3, rel=1e-15)


def test_before_the_first_rating_the_prior_is_the_middle_of_the_scale(world):
    world.act("view", 1, 10, "06-01")
    world.act("view", 2, 10, "06-02")
    assert row(world.frame("06-03"), 2, 10)["movie_rating_mean"] == 2.75


def test_genre_match_is_the_mean_share_of_earlier_positives_with_a_genre(world):
    world.movie(10, "05-01", "Drama", "War")
    world.movie(11, "05-01", "Comedy", "Drama")
    world.movie(12, "05-01", "Horror")
    world.movie(13, "05-01", "War", "Drama", "Drama")
    world.movie(14, "05-01")
    for movie, when in ((10, "06-01"), (11, "06-01"), (12, "06-02"), (99, "06-02")):
        world.act("like", 1, movie, when)  # 99 isn't in the catalogue
    world.act("view", 1, 13, "06-03")
    world.act("view", 1, 14, "06-03")
    world.act("view", 1, 98, "06-03")
    world.act("view", 2, 13, "06-03")
    frame = world.frame("06-04")
    # Of the positives 10, 11, 12 and 99 two have Drama, one has War: (2/4 + 1/4) / 2.
    assert row(frame, 1, 13)["genre_match"] == 0.375
    assert row(frame, 1, 12)["genre_match"] == 0.0  # on 06-02: 10 and 11, neither is Horror
    assert row(frame, 1, 10)["genre_match"] is None  # no earlier positive
    assert row(frame, 1, 14)["genre_match"] is None  # a movie without genres
    assert row(frame, 1, 98)["genre_match"] is None  # not in the catalogue
    assert row(frame, 2, 13)["genre_match"] is None


def test_genres_are_those_known_on_the_rows_day(world):
    world.movie(10, "05-01", "Drama")
    world.movie(11, "05-01", "Drama")
    world.movie(11, "06-03", "Horror")  # known from 06-04 on
    world.act("like", 1, 10, "06-01")
    world.act("view", 1, 11, "06-03")
    world.act("like", 2, 10, "06-01")
    world.act("view", 2, 11, "06-04")
    world.act("like", 3, 11, "06-01")
    world.act("view", 3, 10, "06-03 01:00")
    world.act("like", 4, 11, "06-01")
    world.act("view", 4, 10, "06-04")
    world.movie(12, "05-01", "Drama")
    world.movie(12, "06-03", "Drama", "War")
    world.act("like", 5, 12, "06-01")
    world.act("view", 5, 10, "06-02")
    world.act("view", 5, 11, "06-03")
    matches = {
        (r["user_id"], r["movie_id"]): r["genre_match"]
        for r in world.frame("06-05")
        if r["label"] == 0
    }
    assert matches == {
        (1, 11): 1.0,
        (2, 11): 0.0,
        (3, 10): 1.0,
        (4, 10): 1.0,  # 11 was Drama when it was liked
        (5, 10): 1.0,
        (5, 11): 1.0,
    }


def test_more_genres_than_a_machine_word_has_bits(world):
    for number in range(200):
        world.movie(number, "05-01", f"g{number}", f"g{(number + 1) % 200}")
    world.act("like", 1, 150, "06-01")
    world.act("like", 1, 20, "06-01")
    for movie in (148, 149, 151):
        world.act("view", 1, movie, "06-02")
    frame = world.frame("06-03")
    assert {m: row(frame, 1, m)["genre_match"] for m in (148, 149, 151)} == {
        148: 0.0,
        149: 0.25,  # g149 none, g150 half of the positives
        151: 0.25,
    }


def test_liked_similarity_is_the_overlap_with_the_last_liked_movie(world):
    world.movie(10, "05-01", "Drama", "War")
    world.movie(11, "05-01", "Drama")
    world.movie(12, "05-01", "Comedy", "Drama", "War")
    world.movie(13, "05-01")
    world.act("like", 1, 11, "06-01 10:00")
    world.act("like", 1, 10, "06-01 12:00")
    world.act("view", 1, 12, "06-01 13:00")  # not yet known what was liked
    world.act("view", 1, 13, "06-02")
    world.act("like", 2, 10, "06-01")
    world.act("view", 2, 12, "06-02")
    world.act("view", 2, 11, "06-02")
    frame = world.frame("06-03")
    assert row(frame, 1, 12)["liked_similarity"] is None
    assert row(frame, 1, 13)["liked_similarity"] == 0.0
    assert row(frame, 2, 12)["liked_similarity"] == pytest.approx(2 / 3, rel=1e-15)
    assert row(frame, 2, 11)["liked_similarity"] == 0.5


def test_user_activity_sessions_and_watches_of_a_row(world):
    world.act("impression", 1, 10, "06-01 10:00", session_id="a", position=0)
    world.act("watch", 1, 10, "06-01 10:30", session_id="a", fraction=0.25)
    world.act("search", 1, None, "06-02 08:00", session_id="b", query="x")
    world.act("watch", 1, 11, "06-02 08:06", session_id="b", fraction=1.0)
    world.act("rating", 1, 11, "06-02 09:00", rating=1.0)  # of no session
    world.act("rating", 1, 12, "06-02 09:00", rating=4.0)
    world.act("view", 1, 13, "06-04 23:00", session_id="c")
    seen = row(world.frame("06-05"), 1, 13)
    assert (seen["user_events"], seen["user_days"], seen["user_sessions"]) == (6, 2, 2)
    assert seen["user_session_minutes"] == 18.0  # 30 and 6 minutes
    assert seen["user_watch_completion"] == 0.625
    assert (seen["user_ratings"], seen["user_rating_mean"]) == (2, 2.5)
    assert seen["user_rating_spread"] == 1.5  # of 1 and 4
    assert (seen["hour"], seen["weekday"]) == (23, 4)  # a Thursday


def test_movie_quality_and_age_of_a_row(world):
    world.movie(10, "05-01", release_date=datetime(2026, 5, 20).date())
    world.act("impression", 1, 10, "06-01", position=0)
    world.act("watch", 1, 10, "06-01", fraction=0.5)
    world.act("rating", 2, 10, "06-01", rating=5.0)
    world.act("rating", 3, 10, "06-02", rating=3.0)
    world.act("view", 4, 10, "06-03")
    seen = row(world.frame("06-04"), 4, 10)
    assert (seen["movie_impressions"], seen["movie_contacts"], seen["movie_ratings"]) == (1, 3, 2)
    assert (seen["movie_rating_spread"], seen["movie_watch_completion"]) == (1.0, 0.5)
    assert seen["movie_age_days"] == 14


def test_popularity_halves_with_every_week_that_has_begun(world):
    # Weeks of 7 days since 1970-01-01 begin on Thursdays: 06-04, 06-11, 06-18.
    world.act("like", 1, 10, "06-01")  # known from 06-02, a Tuesday
    world.act("like", 2, 10, "06-05")  # known from 06-06
    world.act("view", 3, 10, "06-03")
    world.act("view", 4, 10, "06-04")
    world.act("view", 5, 10, "06-08")
    world.act("view", 6, 10, "06-18")
    frame = world.frame("06-19")
    popularity = {user: row(frame, user, 10)["movie_popularity"] for user in (1, 3, 4, 5, 6)}
    assert popularity == {1: 0.0, 3: 1.0, 4: 0.5, 5: 1.5, 6: 1.5 / 4}


def test_decay_goes_on_over_the_end_of_an_epoch(world):
    # 16 weeks end on 2026-06-04: what came before counts on, halved.
    world.act("like", 1, 10, "06-01")
    world.act("like", 2, 10, "06-04")
    world.act("view", 3, 10, "06-03")
    world.act("view", 4, 10, "06-04")
    world.act("view", 5, 10, "06-05")
    frame = world.frame("06-06")
    popularity = {user: row(frame, user, 10)["movie_popularity"] for user in (3, 4, 5)}
    assert popularity == {3: 1.0, 4: 0.5, 5: 1.5}


def test_taste_halves_with_every_28_days_that_have_begun(world):
    # Periods of 28 days since 1970-01-01 begin on 05-07 and 06-04.
    world.movie(10, "05-01", "Drama")
    world.movie(11, "05-01", "War")
    world.movie(12, "05-01", "Drama", "War")
    world.act("like", 1, 10, "06-01")
    world.act("like", 1, 11, "06-04")
    world.act("view", 1, 12, "06-06")
    world.act("view", 2, 12, "06-06")
    # Drama 1/2 and War 1 of 3/2 in all: (1/3 + 2/3) / 2.
    assert row(world.frame("06-07"), 1, 12)["genre_match"] == pytest.approx(0.5, rel=1e-15)
    with world.open() as store:
        one, two = store.get_user_features().to_pylist()
    assert (one["taste"], two["taste"]) == ([("Drama", 0.5), ("War", 1.0)], None)


def test_seen_before_is_a_contact_that_was_known(world):
    world.act("view", 1, 10, "06-01")
    world.act("like", 1, 10, "06-02")
    world.act("view", 2, 10, "06-01 10:00")
    world.act("like", 2, 10, "06-01 11:00")
    frame = world.frame("06-03")
    assert [row(frame, user, 10)["seen_before"] for user in (1, 2)] == [True, False]


def test_a_day_is_a_utc_day_whatever_the_machines_time_zone(world, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    world.act("like", 1, 10, "06-01 23:30")  # 06-02 in Tokyo
    world.act("view", 1, 11, "06-02 00:30")
    frame = world.frame("06-03")
    assert row(frame, 1, 11)["user_positives"] == 1
    assert row(frame, 1, 11)["user_days_since_last"] == 1.0
