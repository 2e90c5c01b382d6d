"""The user and movie tables against values worked out by hand."""

import pytest


def test_user_table(world):
    world.user(1, "05-01", age=30, country="DE", device="tv")
    world.act("like", 1, 10, "06-01 10:00")
    world.act("rating", 1, 10, "06-02", rating=4.5)  # positive again: still one movie
    world.act("rating", 1, 11, "06-02", rating=1.0)
    world.act("impression", 1, 12, "06-03 11:00", position=1)
    world.user(2, "05-02")
    world.act("view", 3, 10, "06-01")  # no upsert
    assert world.build("06-04").n_users == 3
    with world.open() as store:
        one, two, three = store.get_user_features().to_pylist()
    assert (one["age"], one["country"], one["device"]) == (30, "DE", "tv")
    assert one["first_seen"].isoformat() == "2026-05-01T00:00:00+00:00"
    assert one["last_active"].isoformat() == "2026-06-03T11:00:00+00:00"
    assert (one["n_positives"], one["n_ratings"], one["rating_mean"]) == (1, 2, 2.75)
    assert (two["n_positives"], two["n_ratings"], two["rating_mean"]) == (0, 0, None)
    assert two["last_active"] is None
    assert (three["user_id"], three["age"], three["country"]) == (3, None, None)
    assert three["first_seen"].isoformat() == "2026-06-01T00:00:00+00:00"


def test_movie_table(world):
    world.movie(10, "05-01", "War", "Drama", "War", title="Ten", year=1999, language="en")
    world.act("like", 1, 10, "06-01")  # 8 days before as_of
    world.act("like", 2, 10, "06-02")  # 7 days before
    world.act("rating", 3, 10, "06-03", rating=2.0)
    world.act("rating", 3, 11, "06-03", rating=5.0)  # no upsert
    world.act("impression", 3, 12, "06-03", position=0)  # no upsert, no contact
    assert world.build("06-09").n_movies == 3
    with world.open() as store:
        ten, eleven, twelve = store.get_movie_features().to_pylist()
    assert (ten["title"], ten["genres"], ten["year"], ten["language"]) == (
        "Ten",
        ["Drama", "War"],
        1999,
        "en",
    )
    assert ten["first_seen"].isoformat() == "2026-05-01T00:00:00+00:00"
    assert (ten["n_positives"], ten["n_positives_7d"], ten["n_ratings"]) == (2, 1, 1)
    # prior (2 + 5) / 2 = 3.5: (35 + 2) / 11 and (35 + 5) / 11.
    assert ten["rating_mean_shrunk"] == pytest.approx(37 / 11, rel=1e-15)
    assert eleven["rating_mean_shrunk"] == pytest.approx(40 / 11, rel=1e-15)
    assert (eleven["title"], eleven["genres"], eleven["year"]) == ("movie 11", [], None)
    assert (twelve["title"], twelve["rating_mean_shrunk"]) == ("movie 12", 3.5)
    assert twelve["first_seen"].isoformat() == "2026-06-03T00:00:00+00:00"


def test_newest_upsert_wins_by_event_time_then_offset(world):
    world.movie(1, "06-02", "B", title="newer")
    world.movie(1, "06-01", "A", title="older, arrived later")
    world.movie(2, "06-01", title="lower offset")
    world.movie(2, "06-01", title="higher offset")
    world.user(1, "06-02", age=None, country="FR")  # wins whole: the age is unknown again
    world.user(1, "06-01", age=50, country="DE")
    world.user(2, "06-01", age=20)
    world.user(2, "06-01", age=21)  # the same instant: the higher offset
    world.build("06-03")
    with world.open() as store:
        assert store.get_movie_features().column("title").to_pylist() == ["newer", "higher offset"]
        one, two = store.get_user_features().to_pylist()
    assert (one["age"], one["country"]) == (None, "FR")
    assert two["age"] == 21


def test_upserts_and_events_at_or_after_as_of_are_not_there_yet(world):
    world.movie(1, "06-01", title="before")
    world.movie(1, "06-02", title="at as_of")
    world.user(1, "06-02")
    world.act("like", 2, 1, "06-01 23:59")
    world.act("like", 3, 1, "06-02 00:00")
    world.build("06-02")
    with world.open() as store:
        (movie,) = store.get_movie_features().to_pylist()
        assert store.get_user_features().column("user_id").to_pylist() == [2]
        assert store.get_training_frame().num_rows == 1
    assert (movie["title"], movie["n_positives"]) == ("before", 1)


def test_as_of_within_a_day(world):
    world.act("like", 1, 1, "06-02 09:00")
    world.act("like", 2, 1, "06-02 15:00")
    assert world.build("06-02 12:00").n_positives == 1


def test_tables_at_as_of_are_what_a_row_of_that_day_sees(world):
    world.act("rating", 1, 10, "06-01", rating=4.0)
    world.act("like", 2, 10, "06-05", rating=None)
    world.act("rating", 2, 11, "06-05", rating=1.0)
    world.act("rating", 2, 10, "06-08", rating=2.0)
    world.act("view", 2, 12, "06-09 10:00")
    world.act("view", 3, 10, "06-09 10:00")
    frame = {(r["user_id"], r["movie_id"]): r for r in world.frame("06-10")}
    world.build("06-09")
    with world.open() as store:
        (user,) = store.get_user_features([2]).to_pylist()
        (movie,) = store.get_movie_features([10]).to_pylist()
    assert user["n_positives"] == frame[2, 12]["user_positives"] == 1
    assert user["rating_mean"] == frame[2, 12]["user_rating_mean"] == 1.5
    assert movie["n_positives"] == frame[3, 10]["movie_positives"] == 2
    assert movie["n_positives_7d"] == frame[3, 10]["movie_positives_7d"] == 1
    assert movie["rating_mean_shrunk"] == frame[3, 10]["movie_rating_mean"]
