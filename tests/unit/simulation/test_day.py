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
    movie_arrivals,
    movie_events,
    truth,
    user_arrivals,
    user_events,
)
from movie_recommender.simulation import day as module
from movie_recommender.simulation.world import sizes_for

DAY = date(2026, 3, 1)
MONTH = [DAY + timedelta(days=n) for n in range(30)]


def whole(world: World, day: date) -> pa.Table:
    return pa.concat_tables(interactions_of_day(world, day))


def of_type(table: pa.Table, name: str) -> pa.Table:
    return table.filter(pc.equal(table["event_type"], name))


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(7, 600, 800)


@pytest.fixture(scope="module")
def month(world: World) -> list[pa.Table]:
    return [whole(world, day) for day in MONTH]


@pytest.fixture(scope="module")
def users(world: World) -> pa.Table:
    return everybody(world, user_events, user_arrivals)


@pytest.fixture(scope="module")
def movies(world: World) -> pa.Table:
    return everybody(world, movie_events, movie_arrivals)


def everybody(world: World, present, arrivals) -> pa.Table:
    return pa.concat_tables(
        [present(world, MONTH[0]), *[arrivals(world, day) for day in MONTH[1:]]]
    )


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
    table = whole(make_world(7, 50, 60), DAY)
    assert whole(make_world(7, 50, 60), DAY).equals(table)
    for seed, n_users, n_movies in ((8, 50, 60), (7, 51, 60), (7, 50, 61)):
        other = whole(make_world(seed, n_users, n_movies), DAY)
        assert not set(other["event_id"].to_pylist()) & set(table["event_id"].to_pylist())
        assert not other["user_id"].equals(table["user_id"])


def test_a_day_does_not_depend_on_the_days_made_before_it(
    world: World, month: list[pa.Table]
) -> None:
    assert whole(world, MONTH[3]).equals(month[3])


def test_a_day_comes_in_blocks_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_USERS_AT_ONCE", 100)
    world = make_world(7, 250, 60)
    blocks = list(interactions_of_day(world, DAY))
    assert len(blocks) == 3
    users = [pc.unique(block["user_id"]) for block in blocks]
    assert len(pc.unique(pa.concat_arrays(users))) == sum(map(len, users))
    ids = pa.concat_tables(blocks)["event_id"].to_pylist()
    assert len(set(ids)) == len(ids)
    for block in blocks:
        assert block["event_time"].to_pylist() == sorted(block["event_time"].to_pylist())


def test_a_block_of_the_usual_size_holds_about_a_hundred_thousand_events() -> None:
    sizes = [block.num_rows for block in interactions_of_day(make_world(7, 20_000, 4000), DAY)]
    assert len(sizes) == 2
    assert 65_000 < sizes[0] < 130_000


def test_a_world_of_one_user_has_quiet_days() -> None:
    world = make_world(1, 1, 20)
    tables = [whole(world, day) for day in MONTH]
    assert {table.schema for table in tables} == {events.INTERACTIONS.schema}
    assert 0 in [table.num_rows for table in tables]


def test_ids_are_unique_over_days_and_topics(
    month: list[pa.Table], users: pa.Table, movies: pa.Table
) -> None:
    ids = np.concatenate([table["event_id"].to_numpy() for table in (*month, users, movies)])
    assert len(np.unique(ids)) == len(ids)
    assert {len(value) for value in ids} == {16}


def test_an_upsert_is_the_same_whenever_it_is_sent(world: World) -> None:
    for present, arrivals in ((user_events, user_arrivals), (movie_events, movie_arrivals)):
        day = next(day for day in MONTH[1:] if arrivals(world, day).num_rows)
        new = arrivals(world, day)
        later = present(world, day + timedelta(days=20))
        column = new.column_names[4]
        again = later.filter(pc.is_in(later[column], new[column].combine_chunks()))
        assert again.sort_by(column).equals(new.sort_by(column))
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        assert all(
            midnight <= at < midnight + timedelta(days=1) for at in new["event_time"].to_pylist()
        )
        before = present(world, day - timedelta(days=1))
        assert not set(before[column].to_pylist()) & set(new[column].to_pylist())


def test_who_joins_comes_the_same_day_and_not_before(
    world: World, month: list[pa.Table], users: pa.Table
) -> None:
    first = pa.concat_tables(month).group_by("user_id").aggregate([("event_time", "min")])
    seen = dict(zip(*[column.to_pylist() for column in first.columns], strict=True))
    new = [
        row
        for day in MONTH
        for row in user_arrivals(world, day).select(["user_id", "event_time"]).to_pylist()
    ]
    assert len(new) > 10
    for row in new:
        waited = seen[row["user_id"]] - row["event_time"]
        assert timedelta(0) < waited < timedelta(minutes=2)
    joined = dict(zip(users["user_id"].to_pylist(), users["event_time"].to_pylist(), strict=True))
    assert all(at > joined[user] for user, at in seen.items())


def test_new_movies_are_shown_from_their_first_day(world: World, month: list[pa.Table]) -> None:
    day = MONTH[0]  # a month's first: some come
    new = set(movie_arrivals(world, day)["movie_id"].to_pylist())
    assert new & set(month[0]["movie_id"].to_pylist())
    yesterday = whole(world, day - timedelta(days=1))
    assert not new & set(yesterday["movie_id"].to_pylist())


def test_only_who_is_present_occurs(world: World, month: list[pa.Table]) -> None:
    for day, table in zip(MONTH[::7], month[::7], strict=True):
        assert set(table["user_id"].to_pylist()) <= set(world.users.present(day).ids.tolist())
        known = {*world.movies.present(day).ids.tolist(), None}
        assert set(table["movie_id"].to_pylist()) <= known


def test_events_lie_within_their_day_in_order(month: list[pa.Table]) -> None:
    for day, table in zip(MONTH, month, strict=True):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        times = table["event_time"].to_pylist()
        assert times == sorted(times)
        assert midnight <= times[0]
        assert times[-1] < midnight + timedelta(days=1)


def test_events_keep_the_contract(month: list[pa.Table], users: pa.Table, movies: pa.Table) -> None:
    tables = {"users": users, "movies": movies, "interactions": pa.concat_tables(month)}
    for topic, contract in events.CONTRACTS.items():
        table = tables[topic]
        assert table.schema == contract.schema
        assert set(table["event_type"].to_pylist()) == set(contract.event_types)
        for field in contract.fields:
            column = table[field.name]
            assert column.null_count == 0 or not field.required, field.name
            assert column.null_count < len(column), field.name
            if field.minimum is not None:
                assert pc.min(column).as_py() >= field.minimum, field.name
            if field.maximum is not None:
                assert pc.max(column).as_py() <= field.maximum, field.name
        for event_type, names in contract.event_types.items():
            rows = of_type(table, event_type)
            assert all(rows[name].null_count == 0 for name in names), event_type


def test_nobody_is_shown_a_movie_twice_in_a_month() -> None:
    world = make_world(3, 40, 4000)
    shown = of_type(pa.concat_tables([whole(world, day) for day in MONTH]), "impression")
    pairs = list(zip(shown["user_id"].to_pylist(), shown["movie_id"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs) > 1000


def test_what_follows_follows_in_its_session(month: list[pa.Table]) -> None:
    """Each view, watch, rating and like comes after what it needs, in the same session."""
    table = pa.concat_tables(month)
    needs = {"view": "impression", "watch": "view", "rating": "watch", "like": "watch"}
    keys = ["user_id", "movie_id", "session_id"]
    for name, needed in needs.items():
        after = of_type(table, name).select([*keys, "event_time"])
        before = of_type(table, needed).select([*keys, "event_time"])
        joined = after.join(before, keys, right_suffix=" before")
        assert joined["event_time before"].null_count == 0, name
        assert pc.all(pc.greater(joined["event_time"], joined["event_time before"])).as_py(), name


def test_what_is_watched_comes_after_the_browsing_one_after_the_other(
    month: list[pa.Table],
) -> None:
    table = pa.concat_tables(month)
    watched = of_type(table, "watch")
    latest = of_type(table, "view").group_by("session_id").aggregate([("event_time", "max")])
    times = watched.join(latest, "session_id")
    since = pc.subtract(times["event_time"], times["event_time_max"]).cast(pa.int64())
    left = since.to_numpy() / 1e6 - 60 - 6000 * times["fraction"].to_numpy()
    assert (left > 0).mean() > 0.9  # the others are marathons, which go faster
    ordered = watched.sort_by([("session_id", "ascending"), ("event_time", "ascending")])
    session = ordered["session_id"].to_numpy()
    seconds = ordered["event_time"].cast(pa.int64()).to_numpy() / 1e6
    same = session[1:] == session[:-1]
    spent, expected = np.diff(seconds)[same], 6000 * ordered["fraction"].to_numpy()[1:][same]
    assert np.median(spent / (60 + expected)) == pytest.approx(1, abs=0.01)


def test_each_type_has_its_own_fields_only(month: list[pa.Table]) -> None:
    table = pa.concat_tables(month)
    owners = {
        "movie_id": {"impression", "view", "watch", "rating", "like"},
        "fraction": {"watch"},
        "rating": {"rating"},
        "position": {"impression"},
        "query": {"search"},
        "session_id": set(events.INTERACTIONS.event_types),
    }
    for field, types in owners.items():
        there = table.filter(pc.is_valid(table[field]))
        assert set(there["event_type"].to_pylist()) == types, field
    fractions = table["fraction"].drop_null().to_numpy()
    assert (fractions == np.round(fractions, 3)).all()


def test_a_session_is_one_users_and_one_page(month: list[pa.Table]) -> None:
    shown = of_type(pa.concat_tables(month), "impression")
    pages = shown.group_by("session_id").aggregate(
        [("user_id", "count_distinct"), ("position", "count_distinct"), ("position", "max"),
         ("position", "count")]
    )  # fmt: skip
    assert pc.max(pages["user_id_count_distinct"]).as_py() == 1
    assert pages["position_count_distinct"].equals(pages["position_count"])
    assert pc.all(pc.equal(pc.add(pages["position_max"], 1), pages["position_count"])).as_py()
    sessions = shown.group_by("user_id").aggregate([("session_id", "count_distinct")])
    assert pc.max(sessions["session_id_count_distinct"]).as_py() > 40


def test_the_first_places_of_a_page_are_looked_at_most(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    def views_by_position() -> np.ndarray:
        table = pa.concat_tables([whole(world, day) for day in MONTH[:10]])
        keys = ["session_id", "movie_id"]
        shown = of_type(table, "impression").select([*keys, "position"])
        viewed = (
            of_type(table, "view")
            .select(keys)
            .append_column("viewed", pa.array([1.0] * of_type(table, "view").num_rows))
        )
        both = shown.join(viewed, keys)
        position = both["position"].to_numpy()
        views = pc.fill_null(both["viewed"], 0.0).to_numpy()
        return np.array([views[position == k].mean() for k in range(4)])

    # Without taste nothing but the place is left.
    monkeypatch.setattr("movie_recommender.simulation.reactions._VIEW", (0.0, 0.0))
    share = views_by_position()
    assert share / share[0] == pytest.approx((1 + np.arange(4)) ** -0.45, abs=0.06)


def test_hours_are_local_and_evenings_are_busy(month: list[pa.Table], users: pa.Table) -> None:
    table = of_type(pa.concat_tables(month), "impression")
    table = table.join(users.select(["user_id", "country"]), "user_id")
    hours = pc.hour(table["event_time"]).to_numpy()
    country = np.array(table["country"].to_pylist())
    for name, ahead in (("GB", 0), ("US", -6), ("JP", 9)):
        local = (hours[country == name] + ahead) % 24
        counts = np.bincount(local, minlength=24)
        assert counts[18:23].mean() > 4 * counts[1:6].mean(), name


def test_weekends_are_busier(world: World, month: list[pa.Table]) -> None:
    sizes = np.array([len(pc.unique(table["user_id"])) for table in month[1:29]])
    weekend = np.array([day.weekday() >= 5 for day in MONTH[1:29]])
    assert sizes[weekend].mean() > 1.08 * sizes[~weekend].mean()


def test_ratings_look_like_those_of_people(month: list[pa.Table]) -> None:
    rated = of_type(pa.concat_tables(month), "rating")
    stars = rated["rating"].to_numpy()
    assert 3.3 < stars.mean() < 3.8
    assert 0.9 < stars.std() < 1.2
    assert set(stars * 2) == set(range(1, 11))
    counts = dict(zip(*np.unique(stars, return_counts=True), strict=True))
    assert counts[4.0] == max(counts.values())


def test_some_users_rate_higher_than_others(month: list[pa.Table]) -> None:
    """The deviation of users' means beyond what few ratings make by chance."""
    rated = of_type(pa.concat_tables(month), "rating")
    by_user = rated.group_by("user_id").aggregate(
        [("rating", "mean"), ("rating", "variance"), ("rating", "count")]
    )
    by_user = by_user.filter(pc.greater_equal(by_user["rating_count"], 5))
    mean, variance, count = (
        by_user[f"rating_{name}"].to_numpy() for name in ("mean", "variance", "count")
    )
    assert 0.38 < np.sqrt(mean.var() - (variance / (count - 1)).mean()) < 0.6


def test_searches_name_what_is_then_looked_at(month: list[pa.Table], movies: pa.Table) -> None:
    found = of_type(pa.concat_tables(month), "search")["query"].to_pylist()
    titles, directors = (set(movies[name].to_pylist()) for name in ("title", "director"))
    genres = {genre for row in movies["genres"].to_pylist() for genre in row}
    shares = [np.mean([query in names for query in found]) for names in (titles, directors, genres)]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.05)


def test_activity_is_uneven_and_about_eighteen_positives_a_month(
    month: list[pa.Table], world: World
) -> None:
    pairs = positives(pa.concat_tables(month)).group_by(["user_id", "movie_id"]).aggregate([])
    counts = np.unique(pairs["user_id"].to_numpy(), return_counts=True)[1]
    assert 10 < counts.sum() / world.n_users < 30
    assert np.quantile(counts, 0.9) > 2 * np.median(counts) > 0


def test_taste_tells_far_more_than_popularity(world: World, month: list[pa.Table]) -> None:
    """Share of random movies that each positive beats, by true affinity and by popularity."""
    before, after = positives(pa.concat_tables(month[:-3])), positives(pa.concat_tables(month[-3:]))
    known = truth(world, MONTH[-1])
    user, movie = (after[name].to_numpy() for name in ("user_id", "movie_id"))
    there = np.isin(user, known.user_id) & np.isin(movie, known.movie_id)
    user = np.searchsorted(known.user_id, user[there])
    movie = np.searchsorted(known.movie_id, movie[there])
    affinity = known.user_vector @ known.movie_vector.T
    seen = before["movie_id"].to_numpy()
    counts = (seen[:, None] == known.movie_id).sum(axis=0)
    rivals = np.random.default_rng(0).integers(world.n_movies, size=(len(user), 99))
    taste = affinity[user, movie][:, None] > affinity[user[:, None], rivals]
    assert taste.mean() > 0.95
    assert 0.6 < (counts[movie][:, None] > counts[rivals]).mean() < 0.93


@pytest.mark.parametrize("n_users", [800, 20_000])
def test_as_much_happens_as_was_asked_for(n_users: int) -> None:
    days = [DAY + timedelta(days=n) for n in range(7)]
    asked = n_users * 7 * 5
    world = make_world(5, *sizes_for(asked, 7))
    found = sum(block.num_rows for day in days for block in interactions_of_day(world, day))
    assert found == pytest.approx(asked, rel=0.08)
