"""A store of three rows in which every quality rule holds, to be broken by tests."""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import duckdb

AS_OF = datetime(2026, 6, 10, tzinfo=UTC)

USER = {
    "first_seen": "2026-06-01 08:00+00",
    "last_active": "2026-06-09 20:00+00",
    "n_events": 9,
    "n_days": 3,
    "n_sessions": 3,
    "session_minutes": 12.5,
    "n_positives": 1,
    "n_ratings": 2,
    "rating_mean": 4.0,
    "rating_spread": 0.5,
    "watch_completion": 0.75,
    "last_liked": 10,
}
MOVIE = {
    "title": "A title",
    "genres": ["Drama"],
    "first_seen": "2026-06-01 00:00+00",
    "n_impressions": 5,
    "n_contacts": 2,
    "n_positives": 1,
    "n_positives_7d": 1,
    "popularity": 0.5,
    "n_ratings": 2,
    "rating_mean_shrunk": 3.1,
    "rating_spread": 0.5,
    "watch_completion": 0.75,
}
ROW = {
    "event_time": "2026-06-09 20:00+00",
    "label": 0,
    "weight": 1.0,
    "met_from": "2026-06-10 00:00+00",
    "user_events": 4,
    "user_days": 2,
    "user_days_since_last": 1.0,
    "user_sessions": 2,
    "user_session_minutes": 12.5,
    "user_positives": 1,
    "user_ratings": 2,
    "user_rating_mean": 4.0,
    "user_rating_spread": 0.5,
    "user_watch_completion": 0.75,
    "movie_impressions": 5,
    "movie_contacts": 2,
    "movie_positives": 1,
    "movie_positives_7d": 1,
    "movie_popularity": 0.5,
    "movie_ratings": 2,
    "movie_rating_mean": 3.1,
    "movie_rating_spread": 0.5,
    "movie_watch_completion": 0.75,
    "movie_age_days": -3,
    "genre_match": 0.5,
    "liked_similarity": 0.5,
    "seen_before": False,
    "hour": 20,
    "weekday": 2,
}
LIKED = {"label": 1, "positive_from": "2026-06-10 00:00+00"}


def empty() -> duckdb.DuckDBPyConnection:
    """The tables of a store as the SQL files make them, without rows."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("ATTACH ':memory:' AS store")
    connection.execute("SET TimeZone = 'UTC'")
    folder = files("movie_recommender.features") / "sql"
    connection.execute((folder / "tables.sql").read_text(encoding="utf-8"))
    sql = (folder / "movie_features.sql").read_text(encoding="utf-8")
    parameters = {"as_of": AS_OF, "decayed_to": AS_OF}
    connection.execute(f"CREATE TABLE store.movie_features AS\n{sql}", parameters)
    return connection


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[dict[str, Any]]
) -> None:
    for row in rows:
        marks = ", ".join("?" for _ in row)
        connection.execute(
            f"INSERT INTO store.{table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )


def good() -> duckdb.DuckDBPyConnection:
    """Users 1 and 2, movies 10 and 20; 1 likes 10, 2 likes 20 and has met 10."""
    connection = empty()
    insert(connection, "user_features", [{"user_id": user, **USER} for user in (1, 2)])
    insert(connection, "movie_features", [{"movie_id": movie, **MOVIE} for movie in (10, 20)])
    pairs = [{"user_id": 1, "movie_id": 10, **ROW, **LIKED}]
    pairs += [{"user_id": 2, "movie_id": 20, **ROW, **LIKED}]
    pairs += [{"user_id": 2, "movie_id": 10, **ROW}]
    insert(connection, "training_frame", pairs)
    for known_from in ("2026-06-09 00:00+00", "2026-06-10 00:00+00"):
        known = {"known_from": known_from}
        insert(connection, "user_states", [{"user_id": 1, **known}, {"user_id": 2, **known}])
        insert(connection, "user_versions", [{"user_id": 1, **known}])
        insert(connection, "movie_states", [{"movie_id": 10, **known}, {"movie_id": 20, **known}])
        insert(connection, "movie_versions", [{"movie_id": 10, **known}])
        insert(connection, "taste_states", [{"user_id": 1, "genre": g, **known} for g in (-1, 0)])
        insert(connection, "priors", [known])
    insert(connection, "genres", [{"genre": "Drama", "number": 0}, {"genre": "War", "number": 1}])
    return connection
