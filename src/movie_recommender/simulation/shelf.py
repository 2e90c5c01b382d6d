"""What is shown to whom: sessions by hour and weekday, and the movies on each one's page."""

from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from movie_recommender.simulation.audience import Audience
from movie_recommender.simulation.catalogue import Catalogue
from movie_recommender.simulation.ids import Floats, Ints, uniforms
from movie_recommender.simulation.world import World, affinity

Seconds = npt.NDArray[np.float64]

DAY_S = 86_400.0
LONGEST_SESSION_S = 4 * 3600.0

_PERIOD_DAYS = 34
_FEWEST_CANDIDATES, _MOST_CANDIDATES = 60, 240
_USUAL_CANDIDATES = 4001 / _PERIOD_DAYS
_USERS_AT_ONCE = 256
_TINY = np.finfo(np.float32).tiny

# How a page is filled. Tuned so that the true affinity is a far better ranker than popularity;
# tests/unit/simulation/test_day.py holds that.
_TASTE_PULL, _POPULARITY_PULL = 5.0, 2.0
_COMES, _COMES_POWER = 0.41, 0.6
_MEAN_SHOWN, _MOST_SHOWN, _SHOWN_POWER = 9.0, 40, 0.4
_MOOD_SHAPE = 1.0
_FURTHER_SESSIONS, MOST_SESSIONS = 0.3, 4
_WEEKDAYS = (0.93, 0.92, 0.93, 0.96, 1.02, 1.14, 1.10)
_HOURS = (
    28,
    17,
    10,
    7,
    6,
    8,
    14,
    22,
    27,
    29,
    31,
    34,
    40,
    40,
    39,
    41,
    47,
    57,
    70,
    85,
    96,
    92,
    73,
    47,
)
"""Weights of the hours of a local day."""
_WEEKEND_HOURS = (
    *(40, 28, 17, 11, 7, 6, 8, 13, 23, 36, 48, 56),
    *(60, 64, 67, 68, 69, 71, 76, 84, 90, 86, 71, 54),
)


@dataclass(frozen=True)
class Shelf:
    """What was shown, (N,) each, by user, session and position.

    Attributes:
        user: row of the user.
        session: number of the session, ascending; the first entry of each has position 0.
        movie: row of the movie in the catalogue.
        position: place on the page, from 0.
        appeal: float32, affinity against what is to be expected of so many candidates.
        start: (S,) seconds from midnight to each session's start.
        number: (S,) which of its user's sessions it is.
        visitor: (S,) row of the session's user.
    """

    user: Ints
    session: Ints
    movie: Ints
    position: Ints
    appeal: Floats
    start: Seconds
    number: Ints
    visitor: Ints


def comes(
    activity: Floats, joins: npt.NDArray[np.bool_], day: date, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(B,) whether each user comes on `day`; who joins comes."""
    chance = _COMES * _WEEKDAYS[day.weekday()] * activity**_COMES_POWER
    return np.asarray(joins | (rng.random(len(activity)) < np.clip(chance, 0.02, 0.95)))


def shelf(
    world: World,
    day: date,
    users: Audience,
    movies: Catalogue,
    first: Seconds,
    rng: np.random.Generator,
) -> Shelf:
    """What is shown on `day` to `users`, all of whom come.

    Args:
        world: the world.
        day: the day.
        users: (B,) who comes.
        movies: the day's catalogue.
        first: (B,) seconds from midnight to the only session of who joins today, NaN for others.
        rng: source of chance.
    """
    joins = ~np.isnan(first)
    mood = rng.gamma(_MOOD_SHAPE, 1 / _MOOD_SHAPE, len(joins))
    wanted = 1 + rng.poisson((_MEAN_SHOWN - 1) * mood * users.activity**_SHOWN_POWER)
    further = rng.poisson(_FURTHER_SESSIONS * users.activity**_SHOWN_POWER)
    rows, appeal = _best(world, day, users, movies, rng)
    shown = np.minimum(wanted, (rows >= 0).sum(axis=1))
    sessions = np.where(joins, 1, 1 + np.minimum(further, MOST_SESSIONS - 1))
    sessions = np.minimum(sessions, shown)
    starts = np.where(joins[:, None], first[:, None], _starts(users, sessions, day, rng))
    user, place = np.nonzero(np.arange(rows.shape[1]) < shown[:, None])
    # Dealt out like cards, so that each of a user's pages has its best movie first.
    number, position = place % sessions[user], place // sessions[user]
    order = np.argsort(user * MOST_SESSIONS + number, kind="stable")
    user, place = user[order], place[order]
    number, position = number[order], position[order]
    begins = np.flatnonzero(position == 0)
    visitor = user[begins]
    return Shelf(
        user=user,
        session=np.cumsum(position == 0) - 1,
        movie=rows[user, place],
        position=position,
        appeal=appeal[user, place] - _expectation(world),
        start=starts[visitor, number[begins]],
        number=number[begins],
        visitor=visitor,
    )


def _starts(users: Audience, sessions: Ints, day: date, rng: np.random.Generator) -> Seconds:
    """(B, 4) seconds from midnight UTC: by the local hours' weights, a user's sessions apart."""
    hours = np.array(_WEEKEND_HOURS if day.weekday() >= 5 else _HOURS, np.float64)
    edges = np.concatenate([[0.0], np.cumsum(hours) / hours.sum()])
    number = np.arange(MOST_SESSIONS)
    share = (rng.random(len(sessions))[:, None] + number / sessions[:, None]) % 1.0
    local = np.interp(share, edges, np.arange(25) * 3600.0)
    return np.asarray((local - users.hours_ahead[:, None] * 3600.0) % DAY_S)


def _best(
    world: World, day: date, users: Audience, movies: Catalogue, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """(B, K) rows of the movies that a page would show first, -1 for none, and their affinities."""
    parts = []
    for start in range(0, len(users.ids), _USERS_AT_ONCE):
        some = slice(start, start + _USERS_AT_ONCE)
        part = Audience(**{name: values[some] for name, values in vars(users).items()})
        parts.append(_best_of_some(world, day, part, movies, rng))
    if not parts:
        return np.empty((0, 1), np.int64), np.empty((0, 1), np.float32)
    rows, affinities = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(affinities)


def _best_of_some(
    world: World, day: date, users: Audience, movies: Catalogue, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    rows = candidates(world, day, users.ids)
    liking = affinity(users, movies, rows)
    utility = np.float32(_TASTE_PULL) * liking
    utility += (np.float32(_POPULARITY_PULL) * movies.log_popularity)[rows]
    # Minus the logarithm of an exponential: Gumbel, so that the choice is Plackett and Luce's.
    chance = rng.standard_exponential(utility.shape, np.float32)
    utility -= np.log(np.maximum(chance, _TINY))  # it may be just 0
    utility[rows < 0] = -np.inf
    k = min(_MOST_SHOWN, utility.shape[1])
    best = np.argpartition(utility, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(utility, best, axis=1), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(rows, best, axis=1), np.take_along_axis(liking, best, axis=1)


def candidates(world: World, day: date, users: Ints) -> Ints:
    """(B, C) movie slots that may be shown to each of the ids `users` on `day`, -1 for none.

    A user goes through the whole catalogue once in 34 days (fewer below 2,000 movies: with little
    to choose from, taste would hardly show; more beyond 8,000), in an order of their own: step i
    brings up slot (offset + stride * i) mod p, p prime. So without any state a user of a larger
    world doesn't meet a movie twice in a month. A slot's next movie is met like any other.
    """
    prime, period = cycle(world)
    chance = uniforms(users, 2, *world.scope, "way through the catalogue")
    offset = (chance[:, :1] * prime).astype(np.int64)
    stride = 1 + (chance[:, 1:] * (prime - 1)).astype(np.int64)
    part = day.toordinal() % period
    steps = np.arange(part * prime // period, (part + 1) * prime // period)
    rows = (offset + stride * steps) % prime
    return np.where(rows < world.n_movies, rows, -1)


def cycle(world: World) -> tuple[int, int]:
    """The steps of a user's way through the catalogue, and the days that it takes."""
    prime = smallest_prime_from(world.n_movies)
    period = max(_PERIOD_DAYS, prime // _MOST_CANDIDATES)
    return prime, max(1, min(period, prime // _FEWEST_CANDIDATES))


def smallest_prime_from(n: int) -> int:
    """The smallest prime >= `n`."""
    candidate = max(n, 2)
    while any(candidate % divisor == 0 for divisor in range(2, int(candidate**0.5) + 1)):
        candidate += 1
    return candidate


def _expectation(world: World) -> np.float32:
    """How much better the best few of a day's candidates are than with 4,000 movies.

    The more there is to choose from the pickier users are; so there are as many positives whatever
    the size of the catalogue.
    """
    prime, period = cycle(world)
    normal = NormalDist()
    best = normal.inv_cdf(1 - 3 * period / prime)
    return np.float32(best - normal.inv_cdf(1 - 3 / _USUAL_CANDIDATES))
