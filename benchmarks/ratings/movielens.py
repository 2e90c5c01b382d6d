"""A MovieLens folder as the feature store would show it after a replay."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.simulation import movielens, replay
from ratings.case import Tables

DAY = date(2026, 11, 22)
"""The replay's last day; it moves all times alike and so decides nothing."""
LIKED = 3.5
"""Stars from which on a rating is a positive: features/sql/pairs.sql."""


def movielens_tables(folder: Path) -> Tables:
    """Its ratings as labels, one row a pair, dated by the first positive, else by the first rating.

    Raises:
        InputDataError: it isn't a MovieLens folder.
    """
    data = movielens.load(folder)
    events = replay.rating_events(data, DAY)
    label = pc.greater_equal(events["rating"], LIKED).cast(pa.int8())
    rows = events.select(["user_id", "movie_id", "event_time"]).append_column("label", label)
    pairs = rows.sort_by([("label", "descending"), ("event_time", "ascending")])
    first = pairs.group_by(["user_id", "movie_id"], use_threads=False).aggregate(
        [("event_time", "first"), ("label", "first")]
    )
    frame = first.rename_columns(["user_id", "movie_id", "event_time", "label"])
    as_of = datetime.combine(DAY + timedelta(days=1), time(), UTC)
    order = [("event_time", "ascending"), ("user_id", "ascending"), ("movie_id", "ascending")]
    return Tables(frame.sort_by(order), _users(data), _movies(data), as_of)


def _users(data: movielens.MovieLens) -> pa.Table:
    """Ages where the folder has them; nobody's country or device."""
    n = data.users.num_rows
    known = "age" in data.users.column_names
    return pa.table(
        {
            "user_id": data.users["user_id"],
            "age": data.users["age"] if known else pa.nulls(n, pa.int32()),
            "country": pa.nulls(n, pa.string()),
            "device": pa.nulls(n, pa.string()),
        }
    ).sort_by("user_id")


def _movies(data: movielens.MovieLens) -> pa.Table:
    languages = pa.nulls(data.movies.num_rows, pa.string())
    return data.movies.append_column("language", languages).sort_by("movie_id")
