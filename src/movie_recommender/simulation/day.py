"""What happens on a day: Arrow tables of events, a pure function of the world and the day."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from movie_recommender import events
from movie_recommender.events import SCHEMA_VERSION
from movie_recommender.simulation.audience import Audience, activity, audience, user_attributes
from movie_recommender.simulation.catalogue import (
    Catalogue,
    catalogue,
    movie_attributes,
    queries,
)
from movie_recommender.simulation.ids import (
    Ints,
    event_ids,
    event_ids_of,
    hex_ids,
    mix,
    scope_key,
    uniforms,
)
from movie_recommender.simulation.presence import days_since_1970
from movie_recommender.simulation.reactions import TYPES, Happenings, react
from movie_recommender.simulation.shelf import MOST_SESSIONS, comes, shelf
from movie_recommender.simulation.world import World

_USERS_AT_ONCE = 16_384
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_LATEST_JOINING_S = 18 * 3600
"""Leaves room for a first session on the day of joining."""
_QUERY_KINDS = (0.6, 0.8)
"""Upper ends of the shares of titles and directors; the rest are genres."""


def user_events(world: World, day: date) -> pa.Table:
    """One upsert for each user who is present on `day`; of the user's first instant."""
    return _user_upserts(world, world.users.present(day).ids)


def user_arrivals(world: World, day: date) -> pa.Table:
    """One upsert for each user whose first day `day` is; may be empty."""
    return _user_upserts(world, world.users.arrivals(day).ids)


def movie_events(world: World, day: date) -> pa.Table:
    """One upsert for each movie that is present on `day`; of its first midnight."""
    return _movie_upserts(world, world.movies.present(day).ids)


def movie_arrivals(world: World, day: date) -> pa.Table:
    """One upsert for each movie whose first day `day` is; may be empty."""
    return _movie_upserts(world, world.movies.arrivals(day).ids)


def interactions_of_day(world: World, day: date) -> Iterator[pa.Table]:
    """The interactions of `day` (UTC) in blocks of users, some 90,000 events each.

    Each table has the schema `events.INTERACTIONS.schema` and is ordered by event time. What a
    block holds depends on the world, the day and the block's number only.
    """
    movies = catalogue(world.movies, day)
    for number, start in enumerate(range(0, world.n_users, _USERS_AT_ONCE)):
        slots = np.arange(start, min(start + _USERS_AT_ONCE, world.n_users))
        rng = np.random.default_rng([*world.scope, day.toordinal(), number])
        users, first = _visitors(world, day, slots, rng)
        shown = shelf(world, day, users, movies, first, rng)
        happened = react(shown, users, rng)
        yield _table(world, day, number, users, movies, happened)


def _visitors(
    world: World, day: date, slots: Ints, rng: np.random.Generator
) -> tuple[Audience, npt.NDArray[np.float64]]:
    """Who of those in `slots` comes, and when today's newcomers' first session begins, else NaN."""
    scope = world.users.scope
    present = world.users.present(day, slots)
    joins = present.joined == days_since_1970(day)
    came = comes(activity(scope, present.ids), joins, day, rng)
    ids = present.ids[came]
    first = np.where(joins[came], _joining_us(world, ids) / _SECOND_US + 60, np.nan)
    return audience(scope, ids, day), first


def _joining_us(world: World, users: Ints) -> Ints:
    """(N,) microseconds from midnight at which each user joins on the first day."""
    chance = uniforms(users, 1, *world.users.scope, "joining")[:, 0]
    return (chance * _LATEST_JOINING_S * _SECOND_US).astype(np.int64)


def _table(
    world: World,
    day: date,
    block: int,
    users: Audience,
    movies: Catalogue,
    happened: Happenings,
) -> pa.Table:
    """Happenings as events, in their order."""
    shelf, entry, kind = happened.shelf, happened.entry, happened.kind
    n = len(kind)
    midnight = days_since_1970(day) * _DAY_US
    time = midnight + (happened.time * _SECOND_US).astype(np.int64)
    is_search = _is(kind, "search")
    fraction = pa.array(happened.fraction[entry], mask=~_is(kind, "watch"))
    rating = pa.array(happened.stars[entry].astype(np.float64), mask=~_is(kind, "rating"))
    movie = movies.ids[shelf.movie[entry]]
    position = shelf.position[entry].astype(np.int32)
    arrays = {
        "event_id": event_ids(n, *world.scope, day, "interactions", block),
        "event_type": pa.array(TYPES).take(pa.array(kind)),
        "event_time": pa.array(time).cast(events.INSTANT),
        "schema_version": pa.array(np.full(n, SCHEMA_VERSION, np.int32)),
        "user_id": pa.array(users.ids[shelf.user[entry]]),
        "movie_id": pa.array(movie, mask=is_search),
        "fraction": fraction,
        "rating": rating,
        "position": pa.array(position, mask=~_is(kind, "impression")),
        "query": _queries(world, day, block, movie, is_search),
        "session_id": _session_ids(world, day, users, happened),
    }
    return pa.table(arrays, schema=events.INTERACTIONS.schema)


def _is(kind: npt.NDArray[np.int8], name: str) -> npt.NDArray[np.bool_]:
    return np.asarray(kind == TYPES.index(name))


def _queries(
    world: World, day: date, block: int, movie: Ints, searched: npt.NDArray[np.bool_]
) -> pa.Array:
    """(N,) what was typed to find the movie, null where nothing was."""
    rows = np.flatnonzero(searched)
    chance = uniforms(rows, 1, *world.scope, day, block, "query")[:, 0]
    found = queries(world.movies, movie[rows], np.searchsorted(_QUERY_KINDS, chance))
    places = np.zeros(len(movie), np.int64)
    places[rows] = np.arange(len(rows))
    return found.take(pa.array(places, mask=~searched))


def _session_ids(world: World, day: date, users: Audience, happened: Happenings) -> pa.Array:
    shelf = happened.shelf
    salt = np.uint64(scope_key(*world.scope, day, "session"))
    keys = users.ids[shelf.visitor] * MOST_SESSIONS + shelf.number
    sessions = mix(salt + keys.astype(np.uint64))
    return hex_ids(sessions[shelf.session[happened.entry]])


def _user_upserts(world: World, ids: Ints) -> pa.Table:
    joined = world.users.joined(ids) * _DAY_US + _joining_us(world, ids)
    return _upserts("users", world, ids, joined, user_attributes(world.users.scope, ids))


def _movie_upserts(world: World, ids: Ints) -> pa.Table:
    joined = world.movies.joined(ids) * _DAY_US
    return _upserts("movies", world, ids, joined, movie_attributes(world.movies, ids))


def _upserts(topic: str, world: World, ids: Ints, time: Ints, attributes: pa.Table) -> pa.Table:
    contract = events.CONTRACTS[topic]
    [event_type] = contract.event_types
    common = {
        "event_id": event_ids_of(ids, *world.scope, topic),
        "event_type": pa.array([event_type]).take(pa.array(np.zeros(len(ids), np.int8))),
        "event_time": pa.array(time).cast(events.INSTANT),
        "schema_version": pa.array(np.full(len(ids), SCHEMA_VERSION, np.int32)),
    }
    columns = {name: attributes[name] for name in attributes.column_names}
    return pa.table({**common, **columns}, schema=contract.schema)
