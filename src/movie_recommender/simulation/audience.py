"""Users: attributes, activity, and a taste that lasts and drifts."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from movie_recommender.simulation.ids import Floats, Ints, normals, uniforms
from movie_recommender.simulation.names import COUNTRIES, DEVICES
from movie_recommender.simulation.presence import days_since_1970

N_FACTORS = 16

_COUNTRY_SHARES = (0.30, 0.12, 0.10, 0.10, 0.10, 0.08, 0.06, 0.08, 0.06)
_LANGUAGE_OF_COUNTRY = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7], np.int8)
_HOURS_AHEAD_OF_UTC = np.array([-6, 0, 1, 1, 1, 9, 9, 5, 8])
_DEVICE_SHARES = (0.40, 0.35, 0.10, 0.15)

_AGE_LEAN, _COUNTRY_LEAN = 0.35, 0.25
_DRIFT = 0.3
"""Share of a taste's variance that comes and goes; the rest lasts."""
_SHORTEST_DRIFT_DAYS, _LONGEST_DRIFT_DAYS = 150, 450
_ACTIVITY_SIGMA = 1.0
_RATING_BIAS = 0.45
_WHOLE_STARS = 0.5
"""Share of users who never give half a star."""


@dataclass(frozen=True)
class Audience:
    """Some users on a day, (B,) each.

    Attributes:
        ids: their ids.
        taste: (B, 16) float32, each of length 4.
        language: position in `LANGUAGES` of the language of home.
        hours_ahead: of local time against UTC.
        activity: log-normal with mean 1.
        rating_bias: stars that a user gives beyond what others would.
        whole_stars: whether a user gives no half stars.
    """

    ids: Ints
    taste: Floats
    language: npt.NDArray[np.int8]
    hours_ahead: Ints
    activity: Floats
    rating_bias: Floats
    whole_stars: npt.NDArray[np.bool_]


def audience(scope: tuple[object, ...], ids: Ints, day: date) -> Audience:
    """The users `ids` as they are on `day`."""
    age, country, _ = _attributes(scope, ids)
    temper = normals(ids, 2, *scope, "temper")
    return Audience(
        ids=ids,
        taste=_taste(scope, ids, age, country, day),
        language=_LANGUAGE_OF_COUNTRY[country],
        hours_ahead=_HOURS_AHEAD_OF_UTC[country],
        activity=activity(scope, ids),
        rating_bias=_RATING_BIAS * temper[:, 0],
        whole_stars=uniforms(ids, 1, *scope, "stars")[:, 0] < _WHOLE_STARS,
    )


def activity(scope: tuple[object, ...], ids: Ints) -> Floats:
    """(N,) float32, log-normal with mean 1: how much each user does."""
    sigma = np.float32(_ACTIVITY_SIGMA)
    z = normals(ids, 1, *scope, "activity")[:, 0]
    return np.asarray(np.exp(sigma * z - sigma**2 / 2), np.float32)


def user_attributes(scope: tuple[object, ...], ids: Ints) -> pa.Table:
    """user_id, age, country, device of each of `ids`."""
    age, country, device = _attributes(scope, ids)
    return pa.table(
        {
            "user_id": pa.array(ids, pa.int64()),
            "age": pa.array(age, pa.int32()),
            "country": pa.array(COUNTRIES).take(pa.array(country)),
            "device": pa.array(DEVICES).take(pa.array(device)),
        }
    )


def _attributes(scope: tuple[object, ...], ids: Ints) -> tuple[Ints, Ints, Ints]:
    """Ages in years, positions of the countries and of the devices."""
    age = 36 + 13 * normals(ids, 1, *scope, "age")[:, 0]
    chance = uniforms(ids, 2, *scope, "attributes")
    country = np.searchsorted(np.cumsum(_COUNTRY_SHARES)[:-1], chance[:, 0])
    device = np.searchsorted(np.cumsum(_DEVICE_SHARES)[:-1], chance[:, 1])
    return np.clip(age, 14, 88).astype(np.int64), country, device


def _taste(scope: tuple[object, ...], ids: Ints, age: Ints, country: Ints, day: date) -> Floats:
    """(B, 16): what lasts, what drifts, and what the age group and the country like.

    The drift goes round between two tastes of the user's own, cos(x) a + sin(x) b: on any day it
    has the same distribution, and after a quarter of the user's period it is another.
    """
    lasting, one, other = np.split(normals(ids, 3 * N_FACTORS, *scope, "taste"), 3, axis=1)
    chance = uniforms(ids, 2, *scope, "drift")
    spread = _LONGEST_DRIFT_DAYS - _SHORTEST_DRIFT_DAYS
    period = _SHORTEST_DRIFT_DAYS + spread * chance[:, 0]
    turn = 2 * np.pi * (days_since_1970(day) / period + chance[:, 1])
    cos, sin = (f(turn)[:, None].astype(np.float32) for f in (np.cos, np.sin))
    own = np.float32((1 - _DRIFT) ** 0.5) * lasting
    own += np.float32(_DRIFT**0.5) * (cos * one + sin * other)
    by_age = normals(np.arange(8), N_FACTORS, *scope, "taste of an age")
    by_country = normals(np.arange(len(COUNTRIES)), N_FACTORS, *scope, "taste of a country")
    own += (_AGE_LEAN * by_age)[age // 10 - 1] + (_COUNTRY_LEAN * by_country)[country]
    # Everybody's taste is equally strong; else those with a weak one would see mere noise.
    length = np.linalg.norm(own, axis=1, keepdims=True)
    return np.asarray(own * (N_FACTORS**0.5 / length), np.float32)
