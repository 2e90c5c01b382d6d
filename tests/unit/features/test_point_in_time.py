"""No value from a row's future, against a second, naive implementation."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_recommender.features import builder, snapshots
from movie_recommender.features.publishing import publish
from movie_recommender.features.store import FeatureStore

START = datetime(2026, 6, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=12)
FEATURES = (
    "user_positives",
    "user_rating_mean",
    "user_days_since_last",
    "movie_positives",
    "movie_positives_7d",
    "movie_rating_mean",
    "genre_match",
)
KINDS = ("impression", "view", "watch", "rating", "like", "search")

moments = st.integers(0, 12 * 24 - 1).map(lambda hour: START + timedelta(hours=hour))
interactions = st.lists(
    st.tuples(
        moments,
        st.sampled_from(KINDS),
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from([0.5, 2.0, 3.3, 3.5, 4.7]),
    ),
    max_size=40,
)
catalogue = st.lists(
    st.tuples(moments, st.integers(1, 4), st.lists(st.sampled_from("ABCD"), max_size=3)), max_size=8
)


def fill(world, acts, upserts) -> None:
    for time, kind, user, movie, value in acts:
        world.add(
            "interactions",
            kind,
            time,
            user_id=user,
            movie_id=None if kind == "search" else movie,
            rating=value if kind == "rating" else None,
            fraction=value / 5 if kind == "watch" else None,
        )
    for time, movie, genres in upserts:
        world.add("movies", "movie", time, movie_id=movie, title="T", genres=genres)


def frame(world, folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """Build straight from Arrow tables (no lake between: a hundred worlds in a few seconds)."""
    planned = snapshots.plan(
        as_of=AS_OF, lake_versions={}, lake_files=(), code_version="test", sql_hash=""
    )
    lake = {topic: ds.dataset(table) for topic, table in world.tables().items()}
    built, _ = builder.build(
        folder, lake=lake, planned=planned, history=(), memory_limit="200MB", threads=1
    )
    published = folder / "published.duckdb"
    publish(built, published)
    with FeatureStore.open(published) as store:
        rows = store.get_training_frame().to_pylist()
    return {(r["user_id"], r["movie_id"]): r for r in rows}


def naive(acts, upserts) -> dict[tuple[int, int], dict[str, Any]]:
    """The training frame from its definition: for each row, look at everything before its day."""
    positives: dict[tuple[int, int], datetime] = {}
    firsts: dict[tuple[int, int], datetime] = {}
    for time, kind, user, movie, value in sorted(acts, key=lambda act: act[0]):
        if kind in ("impression", "search"):
            continue
        firsts.setdefault((user, movie), time)
        if (
            kind == "like"
            or (kind == "rating" and value >= 3.5)
            or (kind == "watch" and value >= 2.5)
        ):
            positives.setdefault((user, movie), time)
    return {
        pair: {
            "event_time": positives.get(pair, first),
            "label": int(pair in positives),
            **features(acts, upserts, positives, pair, positives.get(pair, first).date()),
        }
        for pair, first in firsts.items()
    }


def features(acts, upserts, positives, pair, day: date) -> dict[str, Any]:
    user, movie = pair
    before = [act for act in acts if act[0].date() < day]
    liked = {p: t.date() for p, t in positives.items() if t.date() < day}
    mine = [m for u, m in liked if u == user]
    ratings = [(u, m, value) for _, kind, u, m, value in before if kind == "rating"]
    own = [value for u, _, value in ratings if u == user]
    active = [time.date() for time, _, u, _, _ in before if u == user]
    prior = sum(r[2] for r in ratings) / len(ratings) if ratings else 2.75
    rated = [value for _, m, value in ratings if m == movie]
    genres = {}
    for time, m, names in sorted(upserts, key=lambda upsert: upsert[0]):
        if time.date() < day:
            genres[m] = set(names)
    matching = [m for m in mine if genres.get(m, set()) & genres.get(movie, set())]
    return {
        "user_positives": len(mine),
        "user_rating_mean": sum(own) / len(own) if own else None,
        "user_days_since_last": float((day - max(active)).days) if active else None,
        "movie_positives": sum(m == movie for _, m in liked),
        "movie_positives_7d": sum(
            m == movie and day - t <= timedelta(days=7) for (_, m), t in liked.items()
        ),
        "movie_rating_mean": (10 * prior + sum(rated)) / (10 + len(rated)),
        "genre_match": len(matching) / len(mine) if mine and genres.get(movie) else None,
    }


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
)
@given(acts=interactions, upserts=catalogue)
def test_equals_the_naive_definition(make_world, tmp_path_factory, acts, upserts):
    world = make_world(tmp_path_factory.mktemp("world"))
    fill(world, acts, upserts)
    got = frame(world, tmp_path_factory.mktemp("build"))
    expected = naive(acts, upserts)
    assert got.keys() == expected.keys()
    for pair, values in expected.items():
        for name, value in values.items():
            if isinstance(value, float):
                value = pytest.approx(value, rel=1e-12)
            assert got[pair][name] == value, (pair, name)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
)
@given(acts=interactions, upserts=catalogue, cut=st.integers(1, 12))
def test_later_events_never_change_a_rows_features(
    make_world, tmp_path_factory, acts, upserts, cut: int
):
    """The rows before the cut, built with and without all that comes at or after the cut."""
    end = START + timedelta(days=cut)
    full, past = (make_world(tmp_path_factory.mktemp(name)) for name in ("full", "past"))
    fill(full, acts, upserts)
    fill(past, [a for a in acts if a[0] < end], [u for u in upserts if u[0] < end])
    whole = frame(full, tmp_path_factory.mktemp("build"))
    before = frame(past, tmp_path_factory.mktemp("build"))
    for pair, row in before.items():
        # A pair whose first positive comes later moves to that later row.
        if whole[pair]["event_time"] == row["event_time"]:
            assert [whole[pair][f] for f in FEATURES] == [row[f] for f in FEATURES]
