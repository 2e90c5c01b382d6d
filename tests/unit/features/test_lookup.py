"""One user's or movie's row as plain values."""

import json
from datetime import date

import pytest

from movie_recommender.errors import InputDataError, NotReadyError
from movie_recommender.features import lookup


@pytest.fixture(scope="module")
def world(make_world, tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("w"))
    world.movie(7, "05-01", "Drama", "Crime", release_date=None, year=1999)
    world.user(42, "05-01", age=30)
    world.act("like", 42, 7, "06-01 10:00")
    world.act("view", -5, 8, "06-01 11:00")
    world.build("06-02")
    return world


def show(world, **ids) -> lookup.Found:
    return lookup.show(world.settings, **ids)


def test_a_user(world):
    found = show(world, users=[42])
    assert found.as_of == "2026-06-02T00:00:00+00:00"
    [row] = found.users
    assert found.movies == []
    assert (row["user_id"], row["age"], row["last_liked"]) == (42, 30, 7)
    assert row["last_active"] == "2026-06-01T10:00:00+00:00"
    assert row["taste"] == {"Crime": 1.0, "Drama": 1.0}
    assert row["rating_mean"] is None


def test_several_by_id_ascending_each_once(world):
    found = show(world, users=[42, -5, 42], movies=[8, 7])
    assert [row["user_id"] for row in found.users] == [-5, 42]
    assert found.users[0]["taste"] is None
    assert [row["movie_id"] for row in found.movies] == [7, 8]
    assert found.movies[0]["genres"] == ["Crime", "Drama"]


def test_days_are_iso_and_all_of_it_is_json(make_world, tmp_path):
    world = make_world(tmp_path)
    world.movie(7, "05-01", release_date=date(1999, 12, 31))
    world.build("06-02")
    found = show(world, movies=[7])
    assert found.movies[0]["release_date"] == "1999-12-31"
    json.dumps([found.users, found.movies])


def test_unknown_ids_are_named_with_the_remedy(world):
    told = r"user 1, user 9223372036854775808, movie 42; .*2026-06-02.*extract.*features"
    with pytest.raises(InputDataError, match=told):
        show(world, users=[42, 1, 2**63, 1], movies=[7, 42])


def test_without_a_published_store(make_world, tmp_path):
    with pytest.raises(NotReadyError, match="movie-recommender features"):
        show(make_world(tmp_path), users=[1])
