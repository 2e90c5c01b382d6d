"""No value from a row's future, or that hadn't arrived, against a second, naive implementation.

The worlds are random: late events, upserts out of order, users and movies that meet often.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_recommender.events import CONTRACTS, lake_schema
from movie_recommender.features import builder, snapshots
from movie_recommender.features.builder import Room
from movie_recommender.features.findings import broken
from movie_recommender.features.inputs import Part
from movie_recommender.features.publishing import publish
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore

START = datetime(2026, 6, 1, tzinfo=UTC)  # a week, a month of taste and an epoch end on 06-04
DAYS = 12
AS_OF = START + timedelta(days=DAYS)
RUN_AT = time(2, 0, 13, tzinfo=UTC)
ON_TIME = START + timedelta(days=3)
KINDS = ("impression", "view", "watch", "rating", "like", "search")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]

moments = st.integers(0, DAYS * 24 * 60 - 1).map(lambda minute: START + timedelta(minutes=minute))
lateness = st.sampled_from([0, 0, 0, 0, 1, 2, 5, 40])
interactions = st.lists(
    st.tuples(
        moments,
        lateness,
        st.sampled_from(KINDS),
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from([0.5, 2.0, 3.3, 3.5, 4.7]),
        st.sampled_from([None, "a", "b"]),
    ),
    max_size=40,
)
catalogue = st.lists(
    st.tuples(
        moments,
        lateness,
        st.integers(1, 4),
        st.lists(st.sampled_from("ABCD"), max_size=3),
        st.sampled_from([None, START.date() - timedelta(days=9)]),
    ),
    max_size=8,
)


def known_from(row: dict[str, Any]) -> datetime:
    midnight = datetime.combine(row["event_date"] + timedelta(days=1), time(), tzinfo=UTC)
    arrived = row["ingestion_time"]
    return max(midnight, arrived) if arrived > ON_TIME else midnight


def rows_of(acts: list[Any], upserts: list[Any]) -> Rows:
    rows: Rows = {topic: [] for topic in CONTRACTS}

    def add(topic: str, when: datetime, late: int, **fields: Any) -> None:
        day = when.date()
        rows[topic].append(
            {
                "event_id": f"{topic}-{len(rows[topic])}",
                "event_time": when,
                "event_date": day,
                "ingestion_time": datetime.combine(day + timedelta(days=1 + late), RUN_AT),
                "kafka_offset": len(rows[topic]),
                "kafka_partition": 0,
                **fields,
            }
        )

    for when, late, kind, user, movie, value, session in acts:
        add(
            "interactions",
            when,
            late,
            event_type=kind,
            user_id=user,
            movie_id=None if kind == "search" else movie,
            rating=value if kind == "rating" else None,
            fraction=value / 5 if kind == "watch" else None,
            session_id=session,
        )
    for when, late, movie, genres, released in upserts:
        add("movies", when, late, movie_id=movie, title="T", genres=genres, release_date=released)
        add("users", when, late, user_id=movie, age=when.day)
    return rows


def datasets(rows: Rows, chosen: Callable[[dict[str, Any]], bool]) -> dict[str, list[Part]]:
    return {
        topic: [
            Part(ds.dataset(pa.Table.from_pylist(list(filter(chosen, found)), lake_schema(topic))))
        ]
        for topic, found in rows.items()
    }


def plan() -> Snapshot:
    return snapshots.plan(
        as_of=AS_OF,
        lake_versions={},
        lake_ids={},
        lake_files=(),
        on_time_until=ON_TIME,
        code_version="test",
        sql_hash="",
    )


def build(
    folder: Path, new: dict[str, list[Part]], base: tuple[Path, Snapshot] | None = None
) -> tuple[Path, Snapshot]:
    """Straight from Arrow tables, without a lake."""
    folder.mkdir()
    room = Room(folder, "200MB", threads=1)
    built = builder.build(room, new=new, planned=plan(), base=base, history=())
    assert broken(built.inspection.findings, "fail") == []
    return built.file, built.snapshot


def frame(folder: Path, rows: Rows) -> dict[tuple[int, int], dict[str, Any]]:
    built, _ = build(folder / "build", datasets(rows, lambda _: True))
    published = folder / "published.duckdb"
    publish(built, published)
    with FeatureStore.open(published) as store:
        return {(r["user_id"], r["movie_id"]): r for r in store.get_training_frame().to_pylist()}


def is_positive(row: dict[str, Any]) -> bool:
    return (
        row["event_type"] == "like"
        or (row["rating"] is not None and row["rating"] >= 3.5)
        or (row["fraction"] is not None and row["fraction"] >= 0.5)
    )


@dataclass(frozen=True)
class Pair:
    first: datetime
    positive: datetime | None
    met_from: datetime
    positive_from: datetime | None

    @property
    def time(self) -> datetime:
        return self.positive or self.first


def pairs_of(acts: list[dict[str, Any]]) -> dict[tuple[int, int], Pair]:
    met: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in acts:
        if row["event_type"] not in ("impression", "search"):
            met.setdefault((row["user_id"], row["movie_id"]), []).append(row)
    found = {}
    for pair, contacts in met.items():
        liked = [row for row in contacts if is_positive(row)]
        found[pair] = Pair(
            min(row["event_time"] for row in contacts),
            min((row["event_time"] for row in liked), default=None),
            min(map(known_from, contacts)),
            min(map(known_from, liked), default=None),
        )
    return found


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def spread(values: list[float]) -> float | None:
    middle = mean(values)
    return None if middle is None else (mean([(v - middle) ** 2 for v in values]) or 0.0) ** 0.5


def halved(now: datetime, then: datetime, days: int) -> float:
    period = timedelta(days=days)
    return float(2.0 ** -((now - ALWAYS) // period - (then - ALWAYS) // period))


def naive(rows: Rows) -> dict[tuple[int, int], dict[str, Any]]:
    """The training frame from its definition: for each row, look at everything known by then."""
    pairs = pairs_of(rows["interactions"])
    return {pair: naive_row(rows, pairs, pair) for pair in pairs}


def naive_row(rows: Rows, pairs: dict[tuple[int, int], Pair], pair: tuple[int, int]) -> Any:
    user, movie = pair
    now = pairs[pair].time
    acts = [row for row in rows["interactions"] if known_from(row) <= now]
    mine = [row for row in acts if row["user_id"] == user]
    its = [row for row in acts if row["movie_id"] == movie]
    liked = {p: c.positive_from for p, c in pairs.items() if (c.positive_from or NEVER) <= now}
    my_likes = {m: since for (u, m), since in liked.items() if u == user and since}
    its_likes = [since for (_, m), since in liked.items() if m == movie and since]

    def newest(of: int, then: datetime) -> dict[str, Any] | None:
        known = [r for r in rows["movies"] if r["movie_id"] == of and known_from(r) <= then]
        return max(known, key=lambda r: (r["event_time"], r["kafka_offset"]), default=None)

    def genres(of: int | None, then: datetime) -> set[str]:
        found = None if of is None else newest(of, then)
        return set() if found is None else set(found["genres"])

    tastes = [(genres(m, since), halved(now, since, 28)) for m, since in my_likes.items()]
    all_taste = sum(weight for _, weight in tastes)
    wanted = genres(movie, now)
    sessions: dict[Any, list[datetime]] = {}
    for row in mine:
        if row["session_id"] is not None:
            key = (known_from(row), row["event_date"], row["session_id"])
            sessions.setdefault(key, []).append(row["event_time"])
    last_liked = max(
        ((r["event_time"], r["movie_id"]) for r in mine if r["movie_id"] and is_positive(r)),
        default=(None, None),
    )[1]
    liked_genres = genres(last_liked, now)
    my_ratings, its_ratings = (
        [r["rating"] for r in these if r["rating"] is not None] for these in (mine, its)
    )
    changed = max(map(known_from, its), default=None)
    world = [r["rating"] for r in acts if r["rating"] and changed and known_from(r) <= changed]
    version = newest(movie, now)
    released = version and version["release_date"]
    return {
        "event_time": now,
        "label": int(pairs[pair].positive is not None),
        "user_events": len(mine),
        "user_days": len({(known_from(r), r["event_date"]) for r in mine}),
        "user_days_since_last": float((now.date() - max(r["event_time"] for r in mine).date()).days)
        if mine
        else None,
        "user_sessions": len(sessions),
        "user_session_minutes": mean(
            [(max(times) - min(times)) / timedelta(minutes=1) for times in sessions.values()]
        ),
        "user_positives": len(my_likes),
        "user_ratings": len(my_ratings),
        "user_rating_mean": mean(my_ratings),
        "user_rating_spread": spread(my_ratings),
        "user_watch_completion": mean([r["fraction"] for r in mine if r["fraction"] is not None]),
        "movie_impressions": sum(r["event_type"] == "impression" for r in its),
        "movie_contacts": sum(r["event_type"] != "impression" for r in its),
        "movie_positives": len(its_likes),
        "movie_positives_7d": sum(since > now - timedelta(days=7) for since in its_likes),
        "movie_popularity": sum(halved(now, since, 7) for since in its_likes),
        "movie_ratings": len(its_ratings),
        "movie_rating_mean": (10 * (mean(world) or 2.75) + sum(its_ratings))
        / (10 + len(its_ratings))
        if its
        else None,
        "movie_rating_spread": spread(its_ratings),
        "movie_watch_completion": mean([r["fraction"] for r in its if r["fraction"] is not None]),
        "movie_age_days": (now.date() - released).days if released else None,
        "genre_match": sum(weight for found, weight in tastes for genre in wanted if genre in found)
        / (len(wanted) * all_taste)
        if wanted and all_taste
        else None,
        "liked_similarity": len(wanted & liked_genres) / len(wanted | liked_genres)
        if last_liked is not None
        and newest(last_liked, now)
        and version
        and (wanted | liked_genres)
        else None,
        "seen_before": pairs[pair].met_from <= now,
        "hour": now.hour,
        "weekday": now.isoweekday(),
    }


@settings(max_examples=15, deadline=None, derandomize=True)
@given(acts=interactions, upserts=catalogue)
def test_equals_the_naive_definition(tmp_path_factory, acts, upserts):
    rows = rows_of(acts, upserts)
    got = frame(tmp_path_factory.mktemp("world"), rows)
    expected = naive(rows)
    assert got.keys() == expected.keys()
    for pair, values in expected.items():
        for name, value in values.items():
            if isinstance(value, float):
                value = pytest.approx(value, rel=1e-9, abs=1e-9)
            assert got[pair][name] == value, (pair, name)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(acts=interactions, upserts=catalogue, cut=st.integers(1, DAYS + 5))
def test_what_happens_or_arrives_later_never_changes_a_rows_features(
    tmp_path_factory, acts, upserts, cut: int
):
    """The rows before the cut, built with and without all that is known only after the cut."""
    end = START + timedelta(days=cut)
    whole = rows_of(acts, upserts)
    past = {topic: [r for r in found if known_from(r) <= end] for topic, found in whole.items()}
    after = frame(tmp_path_factory.mktemp("after"), whole)
    before = frame(tmp_path_factory.mktemp("before"), past)
    for pair, row in before.items():
        # A pair whose first positive is known only later moves to that row.
        if row["event_time"] < end and after[pair]["event_time"] == row["event_time"]:
            after[pair]["label"] = row["label"]
            assert after[pair] == row


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    acts=interactions,
    upserts=catalogue,
    cuts=st.sets(st.integers(0, (DAYS + 45) * 2), min_size=1, max_size=5),
)
def test_day_by_day_gives_the_same_as_at_once_bit_for_bit(tmp_path_factory, acts, upserts, cuts):
    rows, folder = rows_of(acts, upserts), tmp_path_factory.mktemp("builds")
    _, whole = build(folder / "whole", datasets(rows, lambda _: True))
    base, before = None, ALWAYS
    ends = [START + timedelta(hours=12 * cut) for cut in sorted(cuts)] + [NEVER]
    for number, end in enumerate(ends):
        since = before
        new = datasets(rows, lambda row, since=since, end=end: since < known_from(row) <= end)
        base = build(folder / f"{number}", new, base)
        before = end
    assert base is not None
    assert base[1].checksums == whole.checksums
    assert base[1].row_counts == whole.row_counts
    assert base[1].known_until == whole.known_until


@settings(max_examples=8, deadline=None, derandomize=True)
@given(acts=interactions, upserts=catalogue, seed=st.integers(0, 99))
def test_the_order_of_arrival_within_a_run_does_not_matter(tmp_path_factory, acts, upserts, seed):
    rows, folder = rows_of(acts, upserts), tmp_path_factory.mktemp("builds")
    _, one = build(folder / "one", datasets(rows, lambda _: True))
    for found in rows.values():
        random.Random(seed).shuffle(found)
    _, other = build(folder / "other", datasets(rows, lambda _: True))
    assert one.checksums == other.checksums


def test_what_was_known_before_something_in_the_store_is_no_increment(tmp_path):
    rows = rows_of([(START, 0, "like", 1, 1, 0.5, None), (START, 5, "like", 2, 1, 0.5, None)], [])
    late = build(tmp_path / "late", datasets(rows, lambda row: row["user_id"] == 2))
    with pytest.raises(builder.NotAnIncrementError):
        build(tmp_path / "early", datasets(rows, lambda row: row["user_id"] == 1), late)
