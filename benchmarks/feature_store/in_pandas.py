"""The feature store's tables as one would write them in pandas: groupby, cumsum, merge_asof.

`training_frame`, `user_features` and `movie_features`, with every column and the same meaning as in
the package's SQL; all of the history is in memory at once, and always built whole.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feature_store import pandas_states
from feature_store.pandas_states import ALL, DAY, FOUR_WEEKS_US, PLACE, WEEK_US, Frame

from movie_recommender.lake import Lake

COLUMNS = {
    "users": ["user_id", "age", "country", "device", "ingestion_time", *PLACE],
    "movies": [
        *["movie_id", "title", "genres", "year", "language", "release_date"],
        *["ingestion_time", *PLACE],
    ],
    "interactions": [
        *["user_id", "movie_id", "event_type", "session_id", "fraction", "rating"],
        *["event_time", "ingestion_time"],
    ],
}
"""What is read of each topic."""
USER_COLUMNS = {
    "n_events": "user_events",
    "n_days": "user_days",
    "last_time": "last_time",
    "n_sessions": "user_sessions",
    "session_minutes": "user_session_minutes",
    "n_positives": "user_positives",
    "n_ratings": "user_ratings",
    "rating_mean": "user_rating_mean",
    "rating_spread": "user_rating_spread",
    "watch_completion": "user_watch_completion",
    "last_liked": "liked",
}
MOVIE_COLUMNS = {
    "n_impressions": "movie_impressions",
    "n_contacts": "movie_contacts",
    "n_positives": "movie_positives",
    "n_ratings": "movie_ratings",
    "rating_spread": "movie_rating_spread",
    "watch_completion": "movie_watch_completion",
}
MOVIE_SUMS = {
    "known_from": "movie_known_from",
    "milli_stars": "milli_stars",
    "recent": "recent",
    "older": "older",
    "prior": "prior",
}
COUNTS = [
    "user_events",
    "user_days",
    "user_sessions",
    "user_positives",
    "user_ratings",
    "movie_impressions",
    "movie_contacts",
    "movie_positives",
    "movie_ratings",
]
FRAME_COLUMNS = [
    *["user_id", "movie_id", "event_time", "label", "weight", "met_from", "positive_from"],
    *["user_days_since_last", "user_session_minutes", "user_rating_mean", "user_rating_spread"],
    *["user_watch_completion", "movie_positives_7d", "movie_popularity", "movie_rating_mean"],
    *["movie_rating_spread", "movie_watch_completion", "movie_age_days", "genre_match"],
    *["liked_similarity", "seen_before", "hour", "weekday", *COUNTS],
]
USER_FEATURES = [
    *["user_id", "age", "country", "device", "first_seen", "last_active", "n_events", "n_days"],
    *["n_sessions", "session_minutes", "n_positives", "n_ratings", "rating_mean"],
    *["rating_spread", "watch_completion", "last_liked", "taste_genres", "taste_weights"],
]
MOVIE_FEATURES = [
    *["movie_id", "title", "genres", "year", "language", "release_date", "first_seen"],
    *["n_impressions", "n_contacts", "n_positives", "n_positives_7d", "popularity", "n_ratings"],
    *["rating_mean_shrunk", "rating_spread", "watch_completion"],
]


def run(
    lake: str, versions: Mapping[str, int], *, as_of: str, on_time_until: str, directory: Path
) -> None:
    """Read the lake's topics, build the tables, write each as Parquet into `directory`."""
    opened = Lake(lake)
    topics = {
        topic: opened.dataset(topic, versions[topic])
        .to_table(columns=columns)
        .to_pandas(date_as_object=False)
        for topic, columns in COLUMNS.items()
    }
    instants = pd.Timestamp(as_of), pd.Timestamp(on_time_until)
    tables = build(**topics, as_of=instants[0], on_time_until=instants[1])
    for name, frame in tables.items():
        (directory / name).mkdir(parents=True, exist_ok=True)
        frame.to_parquet(directory / name / "rows.parquet", index=False)


def build(
    users: Frame,
    movies: Frame,
    interactions: Frame,
    *,
    as_of: pd.Timestamp,
    on_time_until: pd.Timestamp,
) -> dict[str, Frame]:
    """The three tables from the lake's rows, by name."""
    topics = [frame[frame["event_time"] < as_of] for frame in (users, movies, interactions)]
    users, movies, interactions = (
        frame.assign(known_from=pandas_states.known_from(frame, on_time_until)) for frame in topics
    )
    arrivals = pandas_states.arrivals_of(interactions)
    pairs = pandas_states.pairs_of(arrivals)
    user_states = pandas_states.states_of_users(arrivals, pairs)
    movie_states, priors = pandas_states.states_of_movies(arrivals, pairs)
    versions, genres = pandas_states.versions_of_movies(movies)
    tastes = pandas_states.tastes_of(pairs, versions, genres)
    frame = _training_frame(pairs, user_states, movie_states, versions)
    frame["genre_match"] = _genre_matches(frame, genres, tastes)
    decayed_to = max(as_of, *(topic["known_from"].max() for topic in (users, movies, arrivals)))
    return {
        "training_frame": frame[FRAME_COLUMNS],
        "user_features": _user_features(users, user_states, tastes, decayed_to),
        "movie_features": _movie_features(
            versions, movie_states, priors, frame, as_of=as_of, decayed_to=decayed_to
        ),
    }


def _training_frame(pairs: Frame, users: Frame, movies: Frame, versions: Frame) -> Frame:
    """All but genre_match, in the order of time; `version` is the movie's."""
    frame = pandas_states.asof(pairs, users, "user_id", USER_COLUMNS)
    frame = pandas_states.asof(frame, movies, "movie_id", {**MOVIE_COLUMNS, **MOVIE_SUMS})
    at, names = frame["event_time"], ["movie_id", "week_ago"]
    week = frame.assign(week_ago=at - 7 * DAY)[names]
    before = pandas_states.asof(week, movies, "movie_id", {"n_positives": "n"}, at="week_ago")["n"]
    frame["version"] = pandas_states.version_at(frame, "movie_id", "event_time", versions)
    liked = pandas_states.version_at(frame.fillna({"liked": -1}), "liked", "event_time", versions)
    last = frame.pop("last_time")
    known = frame.pop("movie_known_from")
    for name in COUNTS:
        frame[name] = frame[name].fillna(0).astype("int64")
    of_movie = versions["release_date"].to_numpy()
    release = pd.Series(pandas_states.taken(of_movie, frame["version"])).astype("datetime64[us]")
    popularity = _decayed(frame["recent"], frame["older"], known, at, WEEK_US)
    total = 10 * frame["prior"] + frame["milli_stars"] / 1000
    return frame.assign(
        weight=np.float32(1),
        user_days_since_last=(at.dt.floor("D") - last.dt.floor("D")) / DAY,
        movie_positives_7d=frame["movie_positives"] - before.fillna(0).astype("int64"),
        movie_popularity=popularity.fillna(0),
        movie_rating_mean=total / (10 + frame["movie_ratings"]),
        movie_age_days=(at.dt.tz_localize(None).dt.floor("D") - release) // DAY,
        liked_similarity=_similarity(versions["bits"].to_numpy(), frame["version"], liked),
        seen_before=frame["met_from"] <= at,
        hour=at.dt.hour.astype("int8"),
        weekday=(at.dt.day_of_week + 1).astype("int8"),
    )


def _genre_matches(frame: Frame, genres: Frame, tastes: Frame) -> pd.Series:
    """By the frame's index; NaN without genres or positives."""
    asks = frame[["user_id", "event_time", "version"]].reset_index()
    asks = asks[asks["version"].isin(genres["version"])]
    asks = pd.concat([asks.merge(genres, on="version"), asks.assign(genre=ALL)])
    asks = asks.sort_values("event_time", ignore_index=True)
    columns = {"known_from": "known_from", "recent": "recent", "older": "older"}
    answers = pandas_states.asof(asks, tastes, ["user_id", "genre"], columns)
    epochs = [
        pandas_states.period_of(answers[name], FOUR_WEEKS_US) // 16
        for name in ("event_time", "known_from")
    ]
    age = epochs[0] - epochs[1]
    weighted = np.select(
        [age == 0, age == 1], [65536 * answers["recent"] + answers["older"], answers["recent"]]
    )
    answers["weighted"] = np.where(answers["known_from"].isna(), 0, weighted)
    is_all = answers["genre"] == ALL
    whole = answers[is_all].set_index("index")["weighted"]
    matches = answers[~is_all].groupby("index")["weighted"].agg(["sum", "size"])
    return pandas_states.ratio(matches["sum"], matches["size"] * whole)


def _user_features(users: Frame, states: Frame, tastes: Frame, decayed_to: pd.Timestamp) -> Frame:
    newest = _newest(pandas_states.versions_of(users, "user_id"), "user_id")
    state = _newest(states, "user_id").drop(columns="known_from")
    features = newest.merge(state, on="user_id", how="outer", suffixes=("", "_acted"))
    features["first_seen"] = features[["first_time", "first_time_acted"]].min(axis=1)
    features["last_active"] = features["last_time"]
    for name in ("n_events", "n_days", "n_sessions", "n_positives", "n_ratings"):
        features[name] = features[name].fillna(0).astype("int64")
    now = _newest(tastes[tastes["genre"] != ALL], ["user_id", "genre"])
    until = pd.Series(decayed_to, now.index)
    now["weight"] = _decayed(
        now["recent"], now["older"], now["known_from"], until, FOUR_WEEKS_US
    ).fillna(0)
    lists = now.sort_values("genre").groupby("user_id")[["genre", "weight"]].agg(list)
    lists.columns = ["taste_genres", "taste_weights"]
    return features.merge(lists, on="user_id", how="left")[USER_FEATURES]


def _movie_features(
    versions: Frame,
    states: Frame,
    priors: Frame,
    frame: Frame,
    *,
    as_of: pd.Timestamp,
    decayed_to: pd.Timestamp,
) -> Frame:
    newest = _newest(versions, "movie_id").drop(columns="known_from")
    features = newest.merge(
        _newest(states, "movie_id"), on="movie_id", how="outer", suffixes=("", "_acted")
    )
    features["first_seen"] = features[["first_time", "first_time_acted"]].min(axis=1)
    title = "movie " + features["movie_id"].astype("str")
    features["title"] = features["title"].fillna(title)
    features["genres"] = [g if isinstance(g, list) else [] for g in features["genres"]]
    liked = frame[(frame["label"] == 1) & (frame["event_time"] >= as_of - 7 * DAY)]
    features["n_positives_7d"] = features["movie_id"].map(liked.groupby("movie_id").size())
    for name in ("n_impressions", "n_contacts", "n_positives", "n_positives_7d", "n_ratings"):
        features[name] = features[name].fillna(0).astype("int64")
    until = pd.Series(decayed_to, features.index)
    popularity = _decayed(
        features["recent"], features["older"], features["known_from"], until, WEEK_US
    )
    prior = features["prior"].fillna(priors["prior"].iloc[-1])
    total = 10 * prior + features["milli_stars"].fillna(0) / 1000
    features["popularity"] = popularity.fillna(0)
    features["rating_mean_shrunk"] = total / (10 + features["n_ratings"])
    return features[MOVIE_FEATURES]


def _newest(states: Frame, by: str | list[str]) -> Frame:
    return states.drop_duplicates(by, keep="last").copy()


def _decayed(
    recent: pd.Series, older: pd.Series, known: pd.Series, at: pd.Series, period_us: int
) -> pd.Series:
    """What is left at an instant of sums that were known before."""
    period = pandas_states.period_of(at, period_us)
    age = period // 16 - pandas_states.period_of(known, period_us) // 16
    left = (recent + older / 65536).where(age == 0, (recent / 65536).where(age == 1))
    return left / 2.0 ** (period % 16)


def _similarity(bits: Any, ours: Any, liked: Any) -> Any:
    there = pd.notna(ours) & pd.notna(liked)
    a, b = (bits[np.where(there, each, 0).astype("int64")] for each in (ours, liked))
    shared, together = np.bitwise_count(a & b), np.bitwise_count(a | b)
    return pandas_states.ratio(pd.Series(shared), pd.Series(together)).where(there)
