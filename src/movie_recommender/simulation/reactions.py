"""What users do with what they are shown: look, watch, rate, like, search."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender import events
from movie_recommender.simulation.audience import Audience
from movie_recommender.simulation.ids import Floats, Ints
from movie_recommender.simulation.shelf import DAY_S, LONGEST_SESSION_S, Seconds, Shelf

Bools = npt.NDArray[np.bool_]

TYPES = tuple(events.INTERACTIONS.event_types)

_POSITION_BIAS = 0.45
"""Chance of looking at place k of a page: (1 + k) to the minus this."""
_VIEW, _LIKE = (3.5, 1.85), (3.0, 2.9)
_WATCH, _STARS = (3.0, 2.15), (0.8, 2.15)
"""(slope, middle) over appeal: of a logistic curve; of stars around their mean."""
_MEAN_STARS, _STARS_NOISE, _LETDOWN, _WATCH_NOISE = 3.27, 0.45, 0.7, 0.7
_WATCH_SHARE, _RATING_SHARE, _SEARCH_SHARE = 0.75, 0.35, 0.1
_RUNTIME_S = 100 * 60
_SLACK_S = 1800.0


@dataclass(frozen=True)
class Happenings:
    """(M,) events in the order of their times, each about an entry of the shelf.

    Attributes:
        shelf: what was shown.
        kind: position in `TYPES`.
        entry: position on the shelf.
        time: seconds from midnight, below a day.
        fraction: (N,) watched share by entry, in thousandths; of use where the kind is watch.
        stars: (N,) rating by entry; of use where the kind is rating.
    """

    shelf: Shelf
    kind: npt.NDArray[np.int8]
    entry: Ints
    time: Seconds
    fraction: npt.NDArray[np.float64]
    stars: Floats


def react(shelf: Shelf, users: Audience, rng: np.random.Generator) -> Happenings:
    """The events that follow from the pages of `shelf`."""
    n = len(shelf.user)
    appeal = shelf.appeal
    looks = rng.random(n, np.float32) < (1 + shelf.position) ** np.float32(-_POSITION_BIAS)
    viewed = looks & _happens(rng, appeal, *_VIEW)
    watched = viewed & (rng.random(n, np.float32) < _WATCH_SHARE)
    noise = np.float32(_WATCH_NOISE) * rng.standard_normal(n, np.float32)
    effort = _WATCH[0] * (appeal - _WATCH[1]) + noise
    fraction = np.round(1 / (1 + np.exp(-effort.astype(np.float64))), 3)
    rated = watched & (rng.random(n, np.float32) < _RATING_SHARE)
    liked = watched & _happens(rng, appeal, *_LIKE)
    searched = viewed & (rng.random(n, np.float32) < _SEARCH_SHARE)
    shown, search, opened, stopped = _times(shelf, viewed, np.where(watched, fraction, 0), rng)
    happened = {
        "impression": (np.ones(n, np.bool_), shown),
        "search": (searched, search),
        "view": (viewed, opened),
        "watch": (watched, stopped),
        "rating": (rated, stopped + 30),
        "like": (liked, stopped + 10),
    }
    entries = [np.flatnonzero(chosen) for chosen, _ in happened.values()]
    time = np.concatenate([times[chosen] for chosen, times in happened.values()])
    kinds = np.array([TYPES.index(name) for name in happened], np.int8)
    kind = np.repeat(kinds, [len(entry) for entry in entries])
    entry = np.concatenate(entries)
    order = np.argsort(time, kind="stable")
    stars = _stars(appeal, shelf.user, users, rng)
    return Happenings(shelf, kind[order], entry[order], time[order], fraction, stars)


def _stars(appeal: Floats, user: Ints, users: Audience, rng: np.random.Generator) -> Floats:
    """(N,) the rating that each entry would get: the user's bias, the appeal, noise; in steps."""
    noise = np.float32(_STARS_NOISE) * rng.standard_normal(len(appeal), np.float32)
    noise += np.float32(_LETDOWN) * (1 - rng.standard_exponential(len(appeal), np.float32))
    opinion = _STARS[0] * (appeal - _STARS[1]) + noise
    stars = _MEAN_STARS + users.rating_bias[user] + opinion
    step = np.where(users.whole_stars[user], np.float32(1), np.float32(0.5))
    return np.asarray(np.clip(np.round(stars / step) * step, step, 5), np.float32)


def _times(
    shelf: Shelf, viewed: Bools, fraction: Seconds, rng: np.random.Generator
) -> tuple[Seconds, Seconds, Seconds, Seconds]:
    """Seconds from midnight when each entry was shown, searched, opened and left: (N,) each.

    A page appears at once, is gone through from the top, and then what was chosen is watched, one
    movie after the other. A session that would go beyond midnight begins earlier, and one beyond
    four hours goes faster.
    """
    first = np.flatnonzero(shelf.position == 0)
    look = rng.uniform(1, 3, len(viewed))
    page = rng.uniform(5, 40, len(viewed)) * viewed
    browsing, browsed = _running(look + page, first, shelf.session)
    watching, watched = _running(
        (fraction > 0) * (60 + _RUNTIME_S * fraction), first, shelf.session
    )
    total = browsed + watched
    pace = np.minimum(1.0, LONGEST_SESSION_S / np.maximum(total, 1.0))
    room = total * pace + 120 + _SLACK_S * rng.random(len(first))
    start = np.minimum(shelf.start, DAY_S - room)[shelf.session]
    pace = pace[shelf.session]
    shown = start + 0.05 * shelf.position
    opened = start + 2 + (browsing - page) * pace
    stopped = start + 3 + (browsed[shelf.session] + watching) * pace
    return shown, opened - 0.5, opened, stopped


def _running(spent: Seconds, first: Ints, session: Ints) -> tuple[Seconds, Seconds]:
    """(N,) what was spent in its session up to and with each entry, (S,) in each session."""
    total = np.add.reduceat(spent, first) if len(first) else np.zeros(0)
    before = np.cumsum(total) - total
    return np.cumsum(spent) - before[session], total


def _happens(rng: np.random.Generator, appeal: Floats, slope: float, middle: float) -> Bools:
    chance = 1 / (1 + np.exp(-slope * (appeal - np.float32(middle))))
    return np.asarray(rng.random(len(appeal), np.float32) < chance)
