from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from movie_recommender import events
from movie_recommender.simulation import (
    World,
    interactions_of_day,
    make_world,
    movie_events,
    user_events,
)
from movie_recommender.simulation.day import _candidates, _cycle

DAY = date(2026, 3, 1)
MONTH = [DAY + timedelta(days=n) for n in range(30)]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(7, 600, 800)


@pytest.fixture(scope="module")
def month(world: World) -> list[pa.Table]:
    return [interactions_of_day(world, day) for day in MONTH]


def positives(table: pa.Table) -> pa.Table:
    return table.filter(
        pc.or_(
            pc.equal(table["event_type"], "like"),
            pc.or_(
                pc.fill_null(pc.greater_equal(table["rating"], 3.5), False),
                pc.fill_null(pc.greater_equal(table["fraction"], 0.5), False),
            ),
        )
    )


def test_a_day_is_the_same_for_the_same_world_and_another_for_another_seed_or_size() -> None:
    table = interactions_of_day(make_world(7, 50, 60), DAY)
    assert interactions_of_day(make_world(7, 50, 60), DAY).equals(table)
    for seed, users, movies in ((8, 50, 60), (7, 51, 60), (7, 50, 61)):
        other = interactions_of_day(make_world(seed, users, movies), DAY)
        assert not set(other["event_id"].to_pylist()) & set(table["event_id"].to_pylist())
        assert not other["user_id"].equals(table["user_id"])


def test_a_day_does_not_depend_on_the_days_made_before_it(
    world: World, month: list[pa.Table]
) -> None:
    assert interactions_of_day(world, MONTH[3]).equals(month[3])


def test_ids_are_unique_over_days_and_topics(world: World, month: list[pa.Table]) -> None:
    tables = [*month, user_events(world), movie_events(world)]
    ids = np.concatenate([table["event_id"].to_numpy() for table in tables])
    assert len(np.unique(ids)) == len(ids)
    assert {len(value) for value in ids} == {16}


def test_upserts_are_the_same_every_time(world: World) -> None:
    assert user_events(make_world(7, 600, 800)).equals(user_events(world))
    assert movie_events(make_world(7, 600, 800)).equals(movie_events(world))


def test_events_lie_within_their_day_in_order(month: list[pa.Table]) -> None:
    for day, table in zip(MONTH, month, strict=True):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        times = table["event_time"].to_pylist()
        assert times == sorted(times)
        assert midnight <= times[0]
        assert times[-1] < midnight + timedelta(days=1)


def test_events_keep_the_contract(world: World, month: list[pa.Table]) -> None:
    tables = {
        "users": user_events(world),
        "movies": movie_events(world),
        "interactions": pa.concat_tables(month),
    }
    for topic, contract in events.CONTRACTS.items():
        table = tables[topic]
        assert table.schema == contract.schema
        assert set(table["event_type"].to_pylist()) == set(contract.event_types)
        for field in contract.fields:
            column = table[field.name]
            assert column.null_count == 0 or not field.required, field.name
            if field.minimum is not None:
                assert pc.min(column).as_py() >= field.minimum, field.name
            if field.maximum is not None:
                assert pc.max(column).as_py() <= field.maximum, field.name
        for event_type, names in contract.event_types.items():
            rows = table.filter(pc.equal(table["event_type"], event_type))
            assert all(rows[name].null_count == 0 for name in names), event_type


def test_only_known_users_and_movies_occur(world: World, month: list[pa.Table]) -> None:
    table = pa.concat_tables(month)
    assert set(table["user_id"].to_pylist()) <= set(world.users["user_id"].to_pylist())
    known = {*world.movies["movie_id"].to_pylist(), None}
    assert set(table["movie_id"].to_pylist()) <= known


def test_nobody_is_shown_a_movie_twice_in_a_month() -> None:
    world = make_world(3, 40, 4000)
    shown = pa.concat_tables([interactions_of_day(world, day) for day in MONTH])
    shown = shown.filter(pc.equal(shown["event_type"], "impression"))
    pairs = list(zip(shown["user_id"].to_pylist(), shown["movie_id"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs) > 1000


@pytest.mark.parametrize("n_movies", [20, 45, 500, 4000])
def test_every_movie_comes_up_once_in_a_period(n_movies: int) -> None:
    world = make_world(1, 5, n_movies)
    _, period = _cycle(world)
    users = np.arange(5)
    days = [DAY + timedelta(days=n) for n in range(period)]
    rows = np.concatenate([_candidates(world, chosen, users) for chosen in days], axis=1)
    for row in rows:
        assert sorted(row[row >= 0]) == list(range(n_movies))


def test_activity_is_uneven_and_about_eighteen_positives_a_month(
    month: list[pa.Table], world: World
) -> None:
    liked = positives(pa.concat_tables(month))
    pairs = liked.group_by(["user_id", "movie_id"]).aggregate([])
    counts = np.bincount(pairs["user_id"].to_numpy(), minlength=world.n_users + 1)[1:]
    assert 10 < counts.mean() < 30
    assert np.quantile(counts, 0.9) > 2 * np.median(counts) > 0


def test_taste_tells_far_more_than_popularity(world: World, month: list[pa.Table]) -> None:
    """Share of random movies that each positive beats, by true affinity and by popularity."""
    before, after = positives(pa.concat_tables(month[:-3])), positives(pa.concat_tables(month[-3:]))
    counts = np.bincount(before["movie_id"].to_numpy() - 1, minlength=world.n_movies)
    user, movie = after["user_id"].to_numpy() - 1, after["movie_id"].to_numpy() - 1
    rivals = np.random.default_rng(0).integers(world.n_movies, size=(len(user), 99))
    taste = world.affinity(user, movie[:, None]) > world.affinity(user, rivals)
    popular = counts[movie][:, None] > counts[rivals]
    assert taste.mean() > 0.95
    assert 0.5 < popular.mean() < 0.85
