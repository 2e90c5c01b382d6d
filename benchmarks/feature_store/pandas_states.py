"""What was known when, in pandas: running sums of users and movies, the catalogue, tastes.

As in the package's SQL files of these names: a state holds from its known_from on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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

Frame = pd.DataFrame


def known_from(rows: Frame, on_time_until: pd.Timestamp) -> pd.Series:
    """When each row became known: the midnight after it, or its late arrival."""
    midnight = rows["event_time"].dt.floor("D") + DAY
    late = (rows["ingestion_time"] > on_time_until) & (rows["ingestion_time"] > midnight)
    return midnight.mask(late, rows["ingestion_time"])


def arrivals_of(interactions: Frame) -> Frame:
    """The interactions, typed; stars in thousandths, fractions in millionths."""
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


def pairs_of(arrivals: Frame) -> Frame:
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


def states_of_users(arrivals: Frame, pairs: Frame) -> Frame:
    """States of the users."""
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
    states["last_liked"] = taken(movies, rank)
    per_session = 60_000_000 * states["n_sessions"]
    return states.assign(session_minutes=ratio(states["session_us"], per_session))


def states_of_movies(arrivals: Frame, pairs: Frame) -> tuple[Frame, Frame]:
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
    prior = ratio(priors["milli_stars"], 1000 * priors["n_ratings"])
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
    states["rating_mean"] = ratio(total, 1000 * n)
    states["rating_spread"] = ratio(np.sqrt(n * squares - total**2), 1000 * n)
    states["watch_completion"] = ratio(states["watched"], 1_000_000 * states["n_watches"])
    return states


def _decaying(days: Frame, keys: list[str], count: str, period_us: int) -> Frame:
    """With `recent` and `older`: sums of the running epoch and of the one before."""
    period = period_of(days["known_from"], period_us)
    days = days.assign(epoch=period // 16, weighted=_shifted(days[count], period % 16))
    days = days.sort_values("known_from", ignore_index=True)
    by_epoch = days.groupby([*keys, "epoch"])["weighted"]
    days["recent"] = by_epoch.cumsum()
    before = by_epoch.sum().rename("older").reset_index()
    before["epoch"] += 1
    days = days.merge(before, on=[*keys, "epoch"], how="left")
    return days.fillna({"older": 0}).astype({"older": "int64"})


def versions_of_movies(movies: Frame) -> tuple[Frame, Frame]:
    """The catalogue as it was known, and the genres by version: number and name."""
    versions = versions_of(movies, "movie_id")
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


def versions_of(upserts: Frame, key: str) -> Frame:
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


def tastes_of(pairs: Frame, versions: Frame, genres: Frame) -> Frame:
    """Decaying positives by user and genre, at each known_from."""
    liked = pairs.loc[pairs["label"] == 1, [*PAIR, "positive_from"]].sort_values("positive_from")
    liked = liked.assign(version=version_at(liked, "movie_id", "positive_from", versions))
    each = liked.merge(genres, on="version")
    each = pd.concat([each, liked.assign(genre=ALL)])
    each = each.rename(columns={"positive_from": "known_from"})
    days = each.groupby(["user_id", "genre", "known_from"]).size().rename("n").reset_index()
    return _decaying(days, ["user_id", "genre"], "n", FOUR_WEEKS_US)


def asof(
    left: Frame, states: Frame, by: str | list[str], columns: dict[str, str], at: str = "event_time"
) -> Frame:
    """`left`, in the order of `at`, with the columns of the state that was known by then."""
    keys = [by] if isinstance(by, str) else by
    right = states[["known_from", *keys]].rename(columns={"known_from": "_known"})
    right[list(columns.values())] = states[list(columns)]
    joined = pd.merge_asof(left, right, left_on=at, right_on="_known", by=by)
    return joined.drop(columns="_known")


def version_at(rows: Frame, key: str, at: str, versions: Frame) -> Any:
    """Numbers of the versions that were known; NaN for none."""
    left = rows[[key, at]].rename(columns={key: "movie_id"}).astype({"movie_id": "int64"})
    return asof(left, versions, "movie_id", {"version": "version"}, at)["version"].to_numpy()


def period_of(at: pd.Series, period_us: int) -> pd.Series:
    """Number of the period since 1970; NaN without a time."""
    return (at - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(period_us, "us")


def _shifted(count: pd.Series, by: pd.Series) -> pd.Series:
    return count.astype("int64") * 2 ** by.astype("int64")


def ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Missing where the whole is 0."""
    return part / whole.where(whole != 0)


def taken(values: Any, places: Any) -> pd.Series:
    """`values` at `places`; missing where the place is."""
    return pd.Series(values).reindex(places).reset_index(drop=True)
