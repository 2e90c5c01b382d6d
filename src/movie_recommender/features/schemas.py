"""Columns of the published tables, as the reader returns them."""

from collections.abc import Mapping

import pyarrow as pa

from movie_recommender.events import INSTANT

TRAINING_FRAME = pa.schema(
    [
        ("user_id", pa.int64()),
        ("movie_id", pa.int64()),
        ("event_time", INSTANT),
        ("label", pa.int8()),
        ("weight", pa.float32()),
        ("user_events", pa.int64()),
        ("user_days", pa.int64()),
        ("user_days_since_last", pa.float64()),
        ("user_sessions", pa.int64()),
        ("user_session_minutes", pa.float64()),
        ("user_positives", pa.int64()),
        ("user_ratings", pa.int64()),
        ("user_rating_mean", pa.float64()),
        ("user_rating_spread", pa.float64()),
        ("user_watch_completion", pa.float64()),
        ("movie_impressions", pa.int64()),
        ("movie_contacts", pa.int64()),
        ("movie_positives", pa.int64()),
        ("movie_positives_7d", pa.int64()),
        ("movie_popularity", pa.float64()),
        ("movie_ratings", pa.int64()),
        ("movie_rating_mean", pa.float64()),
        ("movie_rating_spread", pa.float64()),
        ("movie_watch_completion", pa.float64()),
        ("movie_age_days", pa.int64()),
        ("genre_match", pa.float64()),
        ("liked_similarity", pa.float64()),
        ("seen_before", pa.bool_()),
        ("hour", pa.int8()),
        ("weekday", pa.int8()),
    ]
)
"""One row per (user, movie); see sql/training_frame.sql for each column."""

USER_FEATURES = pa.schema(
    [
        ("user_id", pa.int64()),
        ("age", pa.int32()),
        ("country", pa.string()),
        ("device", pa.string()),
        ("first_seen", INSTANT),
        ("last_active", INSTANT),
        ("n_events", pa.int64()),
        ("n_days", pa.int64()),
        ("n_sessions", pa.int64()),
        ("session_minutes", pa.float64()),
        ("n_positives", pa.int64()),
        ("n_ratings", pa.int64()),
        ("rating_mean", pa.float64()),
        ("rating_spread", pa.float64()),
        ("watch_completion", pa.float64()),
        ("last_liked", pa.int64()),
        ("taste", pa.map_(pa.string(), pa.float64())),
    ]
)
"""One row per user; see sql/user_features.sql for each column."""

MOVIE_FEATURES = pa.schema(
    [
        ("movie_id", pa.int64()),
        ("title", pa.string()),
        ("genres", pa.list_(pa.string())),
        ("year", pa.int32()),
        ("language", pa.string()),
        ("release_date", pa.date32()),
        ("first_seen", INSTANT),
        ("n_impressions", pa.int64()),
        ("n_contacts", pa.int64()),
        ("n_positives", pa.int64()),
        ("n_positives_7d", pa.int64()),
        ("popularity", pa.float64()),
        ("n_ratings", pa.int64()),
        ("rating_mean_shrunk", pa.float64()),
        ("rating_spread", pa.float64()),
        ("watch_completion", pa.float64()),
    ]
)
"""One row per movie; see sql/movie_features.sql for each column."""

PUBLISHED: Mapping[str, pa.Schema] = {
    "training_frame": TRAINING_FRAME,
    "user_features": USER_FEATURES,
    "movie_features": MOVIE_FEATURES,
}
"""By feature group, the tables that the reader hands out; an entity's first column is its id."""
