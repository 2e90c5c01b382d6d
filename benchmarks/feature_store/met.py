"""A lake whose training frame is as long as one asks for: views of pairs that meet once.

The simulated worlds of `lakes` meet again and again what they like, so that 20 M interactions are
3 M pairs. Here each event is a pair of its own, every day the same number of them.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from claims import note
from feature_store.lakes import LAST, Lake, as_landed

from movie_recommender import events
from movie_recommender.lake import LakeCare

DAYS, MOVIES = 20, 20_000
DAY_US = 86_400_000_000
NEVER_SENT = ("fraction", "rating", "position", "query")
STRIDE = 7_919
"""Coprime to `MOVIES`: the n-th movie that a user meets is another one for each n."""


def lake_of_pairs(directory: Path, rows: int) -> Lake:
    """The lake in `directory`, made where it is missing: `rows` pairs of users and movies.

    Args:
        directory: takes the lake and what is known of it.
        rows: a multiple of 20 days; with 20 M, 200,000 users meet 100 movies each.
    """
    about = directory / "about.json"
    if not about.exists():
        note(f"landing {rows:,} pairs in {directory}")
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(json.dumps(asdict(_land(directory / "lake", rows))))
    return Lake(**json.loads(about.read_text()))


def _land(path: Path, rows: int) -> Lake:
    care, at = LakeCare(str(path)), 0
    midnight = datetime.combine(LAST, time(), UTC)
    for day in _days(rows):
        care.append(
            "interactions",
            as_landed(day, "interactions", at, midnight + timedelta(hours=2)),
            {"interactions-0": at + len(day)},
        )
        at += len(day)
    counts = {topic: care.count(topic) for topic in events.CONTRACTS}
    return Lake(care.path, care.versions(), counts, midnight.isoformat())


def _days(rows: int) -> Iterator[pa.Table]:
    """A day's events, in the columns of the contract."""
    n, users = rows // DAYS, rows // 100
    first = datetime.combine(LAST - timedelta(days=DAYS), time(), UTC)
    for day in range(DAYS):
        number = np.arange(day * n, (day + 1) * n, dtype=np.int64)
        user, nth = number % users, number // users
        at = int((first + timedelta(days=day)).timestamp()) * 1_000_000
        columns = {
            "event_id": pa.array(number).cast(pa.string()),
            "event_type": pa.repeat("view", n),
            "event_time": pa.array(at + np.arange(n) * DAY_US // n).cast(events.INSTANT),
            "schema_version": pa.repeat(pa.scalar(1, pa.int32()), n),
            "user_id": pa.array(user),
            "movie_id": pa.array((user + nth * STRIDE) % MOVIES),
            "session_id": pa.array(user).cast(pa.string()),
        }
        for field in events.lake_schema("interactions"):
            if field.name in NEVER_SENT:
                columns[field.name] = pa.nulls(n, field.type)
        yield pa.table(columns)
