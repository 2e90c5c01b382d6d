"""Columns of the published tables, as the reader returns them."""

import pyarrow as pa

from movie_recommender.events import INSTANT

TRAINING_FRAME = pa.schema(
    [
        ("user_id", pa.int64()),
        ("movie_id", pa.int64()),
        ("event_time", INSTANT),
        ("label", pa.int8()),
        ("weight", pa.float32()),
        ("user_positives", pa.int64()),
        ("user_rating_mean", pa.float64()),
        ("user_days_since_last", pa.float64()),
        ("movie_positives", pa.int64()),
        ("movie_positives_7d", pa.int64()),
        ("movie_rating_mean", pa.float64()),
        ("genre_match", pa.float64()),
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
        ("n_positives", pa.int64()),
        ("n_ratings", pa.int64()),
        ("rating_mean", pa.float64()),
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
        ("first_seen", INSTANT),
        ("n_positives", pa.int64()),
        ("n_positives_7d", pa.int64()),
        ("n_ratings", pa.int64()),
        ("rating_mean_shrunk", pa.float64()),
    ]
)
"""One row per movie; see sql/movie_features.sql for each column."""
