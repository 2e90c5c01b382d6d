"""What happens on a day: Arrow tables of events, a pure function of the world and the day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender import events
from movie_recommender.events import SCHEMA_VERSION
from movie_recommender.simulation.ids import event_ids, hex_ids, mix, scope_key
from movie_recommender.simulation.world import Floats, Ints, World, smallest_prime_from

JOINED = datetime(2020, 1, 1, tzinfo=UTC)
"""Event time of every upsert: the same whichever day sends it."""

_PERIOD_DAYS = 34
_FEWEST_CANDIDATES = 60
_USUAL_CANDIDATES = 4001 / _PERIOD_DAYS
_USERS_AT_ONCE = 4096
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000

# How a shelf of movies is chosen, and what a user does with it. Tuned so that the true affinity is
# a far better ranker than popularity; tests/unit/simulation/test_day.py holds that.
_TASTE_PULL, _POPULARITY_PULL = 10.0, 0.5
_MEAN_SHOWN = 6.6
_VIEW, _LIKE = (5.5, 2.2), (3.0, 3.0)
_WATCH, _STARS = (3.0, 2.25), (1.0, 2.25)
"""(slope, middle) over appeal: of a logistic curve; of stars around 3."""
_WATCH_NOISE, _STARS_NOISE = 0.7, 0.4
_WATCH_SHARE, _RATING_SHARE, _SEARCH_SHARE = 0.75, 0.35, 0.25

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Shelf:
    """What was shown to the users who came: one entry per impression, (N,) each."""

    user: Ints
    movie: Ints
    position: Ints
    appeal: Floats  # affinity against what is to be expected of so many candidates
    time: Ints  # microseconds since midnight
    session: npt.NDArray[np.uint64]


def user_events(world: World) -> pa.Table:
    """One upsert for each user."""
    return _upserts(world, "users", "user", world.users)


def movie_events(world: World) -> pa.Table:
    """One upsert for each movie."""
    return _upserts(world, "movies", "movie", world.movies)


def interactions_of_day(world: World, day: date) -> pa.Table:
    """The interactions of `day` (UTC) by event time; schema `events.INTERACTIONS.schema`."""
    parts = [part for block in _blocks(world) for part in _block_events(world, day, block)]
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(merged["time"], kind="stable")
    return _interactions(world, day, {name: values[order] for name, values in merged.items()})


def _blocks(world: World) -> Iterator[tuple[int, Ints]]:
    for number, start in enumerate(range(0, world.n_users, _USERS_AT_ONCE)):
        yield number, np.arange(start, min(start + _USERS_AT_ONCE, world.n_users))


def _block_events(
    world: World, day: date, block: tuple[int, Ints]
) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
    """Columns of the events of one block of users, a dict per event type."""
    number, users = block
    rng = np.random.default_rng([*world.scope, day.toordinal(), number])
    shelf = _shelf(world, day, users, rng)
    yield _columns("impression", shelf, shelf.time)
    viewed = _subset(shelf, _happens(rng, shelf.appeal, *_VIEW))
    opened = viewed.time + rng.integers(3, 15, len(viewed.time)) * _SECOND_US
    yield _columns("view", viewed, opened)
    yield from _reactions(viewed, opened, rng)
    first = _subset(shelf, (shelf.position == 0) & (rng.random(len(shelf.user)) < _SEARCH_SHARE))
    yield _columns("search", first, first.time + 2 * _SECOND_US)


def _reactions(
    viewed: _Shelf, opened: Ints, rng: np.random.Generator
) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
    """What follows a view: watching some of it, then a rating, a like."""
    watched = rng.random(len(opened)) < _WATCH_SHARE
    seen = _subset(viewed, watched)
    n = len(seen.user)
    effort = _WATCH[0] * (seen.appeal - _WATCH[1]) + _WATCH_NOISE * rng.standard_normal(n)
    fraction = np.round(1 / (1 + np.exp(-effort)), 3)
    stopped = opened[watched] + (60 + fraction * 5400).astype(np.int64) * _SECOND_US
    yield _columns("watch", seen, stopped, fraction=fraction)
    opinion = _STARS[0] * (seen.appeal - _STARS[1])
    stars = 3 + opinion + _STARS_NOISE * rng.standard_normal(n)
    rated = rng.random(n) < _RATING_SHARE
    yield _columns(
        "rating",
        _subset(seen, rated),
        stopped[rated] + 60 * _SECOND_US,
        rating=np.clip(np.round(stars * 2) / 2, 0.5, 5.0)[rated],
    )
    liked = _happens(rng, seen.appeal, *_LIKE)
    yield _columns("like", _subset(seen, liked), stopped[liked] + 20 * _SECOND_US)


def _shelf(world: World, day: date, users: Ints, rng: np.random.Generator) -> _Shelf:
    """Who comes, when, and what is shown to them, best first."""
    activity = world.activity[users]
    came = rng.random(len(users)) < np.clip(0.45 * activity**0.6, 0.02, 0.95)
    users = users[came]
    wanted = 1 + rng.poisson((_MEAN_SHOWN - 1) * activity[came] ** 0.4)
    start = ((6 + 15 * rng.beta(4, 2.2, len(users))) * 3600 * _SECOND_US).astype(np.int64)
    movies = _candidates(world, day, users)  # (B, C), -1 where there is none
    affinity = world.affinity(users, movies)
    utility = _TASTE_PULL * affinity + _POPULARITY_PULL * world.log_popularity[movies]
    utility += rng.gumbel(size=utility.shape)
    utility[movies < 0] = -np.inf
    order = np.argsort(-utility, axis=1, kind="stable")
    position = np.broadcast_to(np.arange(movies.shape[1]), movies.shape)
    available = (movies >= 0).sum(axis=1)
    row, column = np.nonzero(position < np.minimum(wanted, available)[:, None])
    chosen = order[row, column]
    salt = np.uint64(scope_key(*world.scope, day, "session"))
    return _Shelf(
        user=users[row],
        movie=movies[row, chosen],
        position=column,
        appeal=affinity[row, chosen] - _expectation(world),
        time=start[row] + column * 20 * _SECOND_US + rng.integers(_SECOND_US, size=len(row)),
        session=mix(salt + users[row].astype(np.uint64)),
    )


def _candidates(world: World, day: date, users: Ints) -> Ints:
    """(B, C) movie rows that may be shown to each user on `day`, -1 where there is none.

    A user goes through the whole catalogue once in 34 days (fewer below 2,000 movies: with little
    to choose from, taste would hardly show), in an order of their own: step i brings up row
    (offset + stride * i) mod p, p prime. So without any state a user of a larger world doesn't meet
    a movie twice in a month.
    """
    prime, period = _cycle(world)
    slot = day.toordinal() % period
    steps = np.arange(slot * prime // period, (slot + 1) * prime // period)
    rows = (world.offset[users][:, None] + world.stride[users][:, None] * steps) % prime
    return np.where(rows < world.n_movies, rows, -1)


def _cycle(world: World) -> tuple[int, int]:
    """The steps of a user's way through the catalogue, and the days that it takes."""
    prime = smallest_prime_from(world.n_movies)
    return prime, max(1, min(_PERIOD_DAYS, prime // _FEWEST_CANDIDATES))


def _expectation(world: World) -> np.float32:
    """How much better the best few of a day's candidates are than with 4,000 movies.

    The more there is to choose from the pickier users are; so there are as many positives whatever
    the size of the catalogue.
    """
    prime, period = _cycle(world)
    normal = NormalDist()
    best = normal.inv_cdf(1 - 3 * period / prime)
    return np.float32(best - normal.inv_cdf(1 - 3 / _USUAL_CANDIDATES))


def _happens(rng: np.random.Generator, appeal: Floats, slope: float, middle: float) -> Bools:
    chance = 1 / (1 + np.exp(-slope * (appeal - middle)))
    return np.asarray(rng.random(len(appeal)) < chance)


def _subset(shelf: _Shelf, keep: Bools) -> _Shelf:
    return _Shelf(**{name: values[keep] for name, values in vars(shelf).items()})


def _columns(
    event_type: str, shelf: _Shelf, time: Ints, **values: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.generic]]:
    missing = np.full(len(time), np.nan)
    return {
        "type": np.full(len(time), _TYPES.index(event_type), np.int8),
        "time": time,
        "user": shelf.user,
        "movie": shelf.movie,
        "position": shelf.position,
        "session": shelf.session,
        "fraction": values.get("fraction", missing),
        "rating": values.get("rating", missing),
    }


_TYPES = tuple(events.INTERACTIONS.event_types)


def _interactions(world: World, day: date, columns: dict[str, npt.NDArray[np.generic]]) -> pa.Table:
    n = len(columns["time"])
    kind = pa.array(np.array(_TYPES)[columns["type"]], pa.string())
    is_search = columns["type"] == _TYPES.index("search")
    is_impression = columns["type"] == _TYPES.index("impression")
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _SECOND_US
    queries = world.movies["title"].combine_chunks().take(columns["movie"])
    arrays = {
        "event_id": event_ids(n, *world.scope, day, "interactions"),
        "event_type": kind,
        "event_time": pa.array(midnight + columns["time"], pa.int64()).cast(events.INSTANT),
        "schema_version": pa.array(np.full(n, SCHEMA_VERSION), pa.int32()),
        "user_id": world.users["user_id"].combine_chunks().take(columns["user"]),
        "movie_id": pa.array(columns["movie"] + 1, pa.int64(), mask=is_search),
        "fraction": pa.array(columns["fraction"], pa.float64(), from_pandas=True),
        "rating": pa.array(columns["rating"], pa.float64(), from_pandas=True),
        "position": pa.array(columns["position"], pa.int32(), mask=~is_impression),
        "query": pc.if_else(pa.array(is_search), queries, pa.scalar(None, pa.string())),
        "session_id": hex_ids(columns["session"].astype(np.uint64)),
    }
    return pa.table(arrays, schema=events.INTERACTIONS.schema)


def _upserts(world: World, topic: str, event_type: str, attributes: pa.Table) -> pa.Table:
    n = attributes.num_rows
    common = {
        "event_id": event_ids(n, *world.scope, topic),
        "event_type": pa.array([event_type] * n, pa.string()),
        "event_time": pa.array([JOINED] * n, events.INSTANT),
        "schema_version": pa.array(np.full(n, SCHEMA_VERSION), pa.int32()),
    }
    columns = {name: attributes[name] for name in attributes.column_names}
    return pa.table({**common, **columns}, schema=events.CONTRACTS[topic].schema)
