"""The feature store's tables as one would write them in pandas: groupby, cumsum, merge_asof.

`training_frame`, `user_features` and `movie_features`, with every column and the same meaning as in
the package's SQL; all of the history is in memory at once, and always built whole.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from movie_recommender.lake import Lake

DAY = pd.Timedelta(days=1)
WEEK_US, FOUR_WEEKS_US = 604_800_000_000, 2_419_200_000_000
"""Periods by which popularity and taste halve; 16 of them are an epoch, see movie_states.sql."""
ALL = -1
"""The genre of all positives."""
CONTACTS = ["view", "watch", "rating", "like"]
PLACE = ["event_time", "kafka_offset", "kafka_partition", "event_id"]
"""By these the newest upsert is found."""
PAIR = ["user_id", "movie_id"]
SUMS = ["n_ratings", "milli_stars", "squares", "n_watches", "watched"]
COUNTED = {
    "n_ratings": ("milli_stars", "count"),
    "milli_stars": ("milli_stars", "sum"),
    "squares": ("squares", "sum"),
    "n_watches": ("watched", "count"),
    "watched": ("watched", "sum"),
}

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

Frame = pd.DataFrame


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
        frame.assign(known_from=_known_from(frame, on_time_until)) for frame in topics
    )
    arrivals = _arrivals(interactions)
    pairs = _pairs(arrivals)
    user_states = _user_states(arrivals, pairs)
    movie_states, priors = _movie_states(arrivals, pairs)
    versions, genres = _movie_versions(movies)
    tastes = _tastes(pairs, versions, genres)
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


def _known_from(rows: Frame, on_time_until: pd.Timestamp) -> pd.Series:
    midnight = rows["event_time"].dt.floor("D") + DAY
    late = (rows["ingestion_time"] > on_time_until) & (rows["ingestion_time"] > midnight)
    return midnight.mask(late, rows["ingestion_time"])


def _arrivals(interactions: Frame) -> Frame:
    kind, rating, fraction = (interactions[name] for name in ("event_type", "rating", "fraction"))
    has_movie = interactions["movie_id"].notna()
    positive = (kind == "like") | ((kind == "rating") & (rating >= 3.5))
    positive |= (kind == "watch") & (fraction >= 0.5)
    milli_stars = (rating * 1000).round().where(kind == "rating")
    return interactions[["user_id", "movie_id", "event_time", "known_from"]].assign(
        day=interactions["event_time"].dt.floor("D"),
        session=pd.factorize(interactions["session_id"])[0],
        is_impression=has_movie & (kind == "impression"),
        is_contact=has_movie & kind.isin(CONTACTS),
        is_positive=has_movie & positive,
        milli_stars=milli_stars,
        squares=milli_stars**2,
        watched=(fraction * 1_000_000).round().where(kind == "watch"),
    )


def _pairs(arrivals: Frame) -> Frame:
    """A row a pair, in the order of time."""
    contacts = arrivals[arrivals["is_contact"]].astype({"movie_id": "int64"})
    met = contacts.groupby(PAIR).agg(
        first_time=("event_time", "min"), met_from=("known_from", "min")
    )
    liked = contacts[contacts["is_positive"]].groupby(PAIR)
    liked = liked.agg(event_time=("event_time", "min"), positive_from=("known_from", "min"))
    pairs = met.join(liked).reset_index()
    pairs["label"] = pairs["event_time"].notna().astype("int8")
    pairs["event_time"] = pairs["event_time"].fillna(pairs.pop("first_time"))
    return pairs.sort_values("event_time", ignore_index=True)


def _user_states(arrivals: Frame, pairs: Frame) -> Frame:
    by_day = ["user_id", "known_from"]
    sessions = (
        arrivals.groupby([*by_day, "day", "session"])
        .agg(
            n_events=("event_time", "size"),
            first_time=("event_time", "min"),
            last_time=("event_time", "max"),
            **COUNTED,
        )
        .reset_index()
    )
    is_session = sessions["session"] >= 0  # -1: none
    length = sessions["last_time"] - sessions["first_time"]
    sessions["session_us"] = length.astype("int64").where(is_session, 0)
    sessions["n_sessions"] = is_session.astype("int64")
    days = sessions.groupby(by_day).agg(
        first_time=("first_time", "min"),
        last_time=("last_time", "max"),
        n_days=("day", "nunique"),
        **{name: (name, "sum") for name in ("n_events", "n_sessions", "session_us", *SUMS)},
    )
    liked = arrivals[arrivals["is_positive"]].sort_values(["event_time", "movie_id"])
    liked = liked.assign(rank=np.arange(len(liked)))
    days["liked"] = liked.groupby(by_day)["rank"].max()
    days["n_positives"] = _positives(pairs, "user_id")
    days["n_positives"] = days["n_positives"].fillna(0)
    states = _running(
        days.reset_index(),
        "user_id",
        ["n_events", "n_days", "n_sessions", "session_us", "n_positives", *SUMS],
    )
    grouped = states.groupby("user_id")
    states["last_time"] = grouped["last_time"].cummax()
    rank = grouped["liked"].cummax().groupby(states["user_id"]).ffill()
    movies = liked["movie_id"].astype("int64").to_numpy()
    states["last_liked"] = _taken(movies, rank)
    per_session = 60_000_000 * states["n_sessions"]
    return states.assign(session_minutes=_ratio(states["session_us"], per_session))


def _movie_states(arrivals: Frame, pairs: Frame) -> tuple[Frame, Frame]:
    """States of the movies, and by known_from the mean of all ratings."""
    acted = arrivals[arrivals["is_impression"] | arrivals["is_contact"]]
    days = (
        acted.astype({"movie_id": "int64"})
        .groupby(["movie_id", "known_from"])
        .agg(
            first_time=("event_time", "min"),
            n_impressions=("is_impression", "sum"),
            n_contacts=("is_contact", "sum"),
            **COUNTED,
        )
    )
    days["n_positives"] = _positives(pairs, "movie_id")
    days = days.fillna({"n_positives": 0}).reset_index()
    priors = days.groupby("known_from")[["n_ratings", "milli_stars"]].sum().cumsum()
    prior = _ratio(priors["milli_stars"], 1000 * priors["n_ratings"])
    days["prior"] = days["known_from"].map(prior.fillna(2.75))
    days = _decaying(days, ["movie_id"], "n_positives", WEEK_US)
    sums = ["n_impressions", "n_contacts", "n_positives", *SUMS]
    return _running(days, "movie_id", sums), prior.rename("prior").reset_index()


def _positives(pairs: Frame, key: str) -> pd.Series:
    """New positives by `key` and known_from."""
    liked = pairs[pairs["label"] == 1]
    return liked.rename(columns={"positive_from": "known_from"}).groupby([key, "known_from"]).size()


def _running(days: Frame, key: str, sums: Sequence[str]) -> Frame:
    """Running sums of what each day has added, in the order of known_from, and their means."""
    states = days.sort_values("known_from", ignore_index=True)
    grouped = states.groupby(key)
    states[list(sums)] = grouped[list(sums)].cumsum().astype("int64")
    states["first_time"] = grouped["first_time"].cummin()
    n, total, squares = (states[name] for name in ("n_ratings", "milli_stars", "squares"))
    states["rating_mean"] = _ratio(total, 1000 * n)
    states["rating_spread"] = _ratio(np.sqrt(n * squares - total**2), 1000 * n)
    states["watch_completion"] = _ratio(states["watched"], 1_000_000 * states["n_watches"])
    return states


def _decaying(days: Frame, keys: list[str], count: str, period_us: int) -> Frame:
    """With `recent` and `older`: sums of the running epoch and of the one before."""
    period = _period(days["known_from"], period_us)
    days = days.assign(epoch=period // 16, weighted=_shifted(days[count], period % 16))
    days = days.sort_values("known_from", ignore_index=True)
    by_epoch = days.groupby([*keys, "epoch"])["weighted"]
    days["recent"] = by_epoch.cumsum()
    before = by_epoch.sum().rename("older").reset_index()
    before["epoch"] += 1
    days = days.merge(before, on=[*keys, "epoch"], how="left")
    return days.fillna({"older": 0}).astype({"older": "int64"})


def _movie_versions(movies: Frame) -> tuple[Frame, Frame]:
    """The catalogue as it was known, and the genres by version: number and name."""
    versions = _versions(movies, "movie_id")
    named = versions[["version", "known_from", "genres"]].explode("genres").dropna()
    named = named.rename(columns={"genres": "name"}).drop_duplicates(["version", "name"])
    first = named.groupby("name")["known_from"].min().reset_index()
    first = first.sort_values(["known_from", "name"], ignore_index=True)
    named["genre"] = named["name"].map(pd.Series(first.index, first["name"]))
    few = named[named["genre"] < 62]
    bits = _shifted(pd.Series(1, few.index), few["genre"]).groupby(few["version"]).sum()
    versions["bits"] = versions["version"].map(bits).fillna(0).astype("int64")
    lists = named.sort_values("name").groupby("version")["name"].agg(list)
    versions["genres"] = versions["version"].map(lists)
    return versions, named[["version", "genre"]]


def _versions(upserts: Frame, key: str) -> Frame:
    """The newest upsert whole, as known at each known_from of one; `version` numbers them."""
    upserts = upserts.sort_values(PLACE, ignore_index=True)
    upserts["rank"] = upserts.index
    known = upserts.groupby([key, "known_from"]).agg(
        first_time=("event_time", "min"), rank=("rank", "max")
    )
    known = known.reset_index().sort_values("known_from", ignore_index=True)
    grouped = known.groupby(key)
    known["first_time"] = grouped["first_time"].cummin()
    newest = upserts.drop(columns=[key, "known_from", "rank"])
    newest = newest.iloc[grouped["rank"].cummax()].reset_index(drop=True)
    return pd.concat([known, newest], axis=1).assign(version=known.index)


def _tastes(pairs: Frame, versions: Frame, genres: Frame) -> Frame:
    """Decaying positives by user and genre, at each known_from."""
    liked = pairs.loc[pairs["label"] == 1, [*PAIR, "positive_from"]].sort_values("positive_from")
    liked = liked.assign(version=_version_at(liked, "movie_id", "positive_from", versions))
    each = liked.merge(genres, on="version")
    each = pd.concat([each, liked.assign(genre=ALL)])
    each = each.rename(columns={"positive_from": "known_from"})
    days = each.groupby(["user_id", "genre", "known_from"]).size().rename("n").reset_index()
    return _decaying(days, ["user_id", "genre"], "n", FOUR_WEEKS_US)


def _training_frame(pairs: Frame, users: Frame, movies: Frame, versions: Frame) -> Frame:
    """All but genre_match, in the order of time; `version` is the movie's."""
    frame = _asof(pairs, users, "user_id", USER_COLUMNS)
    frame = _asof(frame, movies, "movie_id", {**MOVIE_COLUMNS, **MOVIE_SUMS})
    at, names = frame["event_time"], ["movie_id", "week_ago"]
    week = frame.assign(week_ago=at - 7 * DAY)[names]
    before = _asof(week, movies, "movie_id", {"n_positives": "n"}, at="week_ago")["n"]
    frame["version"] = _version_at(frame, "movie_id", "event_time", versions)
    liked = _version_at(frame.fillna({"liked": -1}), "liked", "event_time", versions)
    last = frame.pop("last_time")
    known = frame.pop("movie_known_from")
    for name in COUNTS:
        frame[name] = frame[name].fillna(0).astype("int64")
    of_movie = versions["release_date"].to_numpy()
    release = pd.Series(_taken(of_movie, frame["version"])).astype("datetime64[us]")
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
    answers = _asof(asks, tastes, ["user_id", "genre"], columns)
    epochs = [_period(answers[name], FOUR_WEEKS_US) // 16 for name in ("event_time", "known_from")]
    age = epochs[0] - epochs[1]
    weighted = np.select(
        [age == 0, age == 1], [65536 * answers["recent"] + answers["older"], answers["recent"]]
    )
    answers["weighted"] = np.where(answers["known_from"].isna(), 0, weighted)
    is_all = answers["genre"] == ALL
    whole = answers[is_all].set_index("index")["weighted"]
    matches = answers[~is_all].groupby("index")["weighted"].agg(["sum", "size"])
    return _ratio(matches["sum"], matches["size"] * whole)


def _user_features(users: Frame, states: Frame, tastes: Frame, decayed_to: pd.Timestamp) -> Frame:
    newest = _newest(_versions(users, "user_id"), "user_id")
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


def _asof(
    left: Frame, states: Frame, by: str | list[str], columns: dict[str, str], at: str = "event_time"
) -> Frame:
    """`left`, in the order of `at`, with the columns of the state that was known by then."""
    keys = [by] if isinstance(by, str) else by
    right = states[["known_from", *keys]].rename(columns={"known_from": "_known"})
    right[list(columns.values())] = states[list(columns)]
    joined = pd.merge_asof(left, right, left_on=at, right_on="_known", by=by)
    return joined.drop(columns="_known")


def _version_at(rows: Frame, key: str, at: str, versions: Frame) -> Any:
    """Numbers of the versions that were known; NaN for none."""
    left = rows[[key, at]].rename(columns={key: "movie_id"}).astype({"movie_id": "int64"})
    return _asof(left, versions, "movie_id", {"version": "version"}, at)["version"].to_numpy()


def _newest(states: Frame, by: str | list[str]) -> Frame:
    return states.drop_duplicates(by, keep="last").copy()


def _period(at: pd.Series, period_us: int) -> pd.Series:
    """Number of the period since 1970; NaN without a time."""
    return (at - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(period_us, "us")


def _shifted(count: pd.Series, by: pd.Series) -> pd.Series:
    return count.astype("int64") * 2 ** by.astype("int64")


def _decayed(
    recent: pd.Series, older: pd.Series, known: pd.Series, at: pd.Series, period_us: int
) -> pd.Series:
    """What is left at an instant of sums that were known before."""
    period = _period(at, period_us)
    age = period // 16 - _period(known, period_us) // 16
    left = (recent + older / 65536).where(age == 0, (recent / 65536).where(age == 1))
    return left / 2.0 ** (period % 16)


def _similarity(bits: Any, ours: Any, liked: Any) -> Any:
    there = pd.notna(ours) & pd.notna(liked)
    a, b = (bits[np.where(there, each, 0).astype("int64")] for each in (ours, liked))
    shared, together = np.bitwise_count(a & b), np.bitwise_count(a | b)
    return _ratio(pd.Series(shared), pd.Series(together)).where(there)


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole != 0)


def _taken(values: Any, places: Any) -> pd.Series:
    """`values` at `places`; missing where the place is."""
    return pd.Series(values).reindex(places).reset_index(drop=True)


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
