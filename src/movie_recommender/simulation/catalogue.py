"""Movies: attributes, the traits that they share with director, cast and franchise, popularity."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from movie_recommender.simulation.ids import Floats, Ints, normals, uniforms
from movie_recommender.simulation.names import GENRES, LANGUAGES, franchises, people, titles
from movie_recommender.simulation.presence import Present, Slots, days_since_1970

Scope = tuple[object, ...]

_GENRE_WEIGHTS = (12, 9, 4, 5, 19, 8, 4, 24, 6, 2, 8, 3, 5, 11, 7, 13, 4, 2)
_GENRE_COUNTS = (0.25, 0.40, 0.25, 0.10)
_LANGUAGE_SHARES = (0.55, 0.10, 0.09, 0.06, 0.06, 0.05, 0.05, 0.04)
_MOST_GENRES, _CAST = 4, 4
_IN_A_FRANCHISE = 0.2
_DIRECTORS_PICK = 0.4
"""Chance that a genre is one that the director works in, or the franchise."""

_GENRE_FACTORS = 8
_GENRE_SHARE = 0.4
"""Share of the affinity's variance that genres explain, about."""
_FINE_WEIGHTS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.1)
_OF_DIRECTOR, _OF_CAST, _OF_FRANCHISE = 0.3, 0.25, 0.25
"""Shares of the other factors' variance that come from them; the rest is the movie's own."""

_POPULARITY_EXPONENT = 0.9
_QUALITY_OF_POPULAR = 0.5
"""Correlation of quality with the logarithm of popularity."""
_NEW_BOOST, _NEW_DAYS = 1.0, 21.0
_PREMIERE_BOOST, _PREMIERE_DAYS = 0.8, 365.0
_FRESH, _FRESH_DAYS, _MEAN_AGE_DAYS = 0.4, 120, 12 * 365
_FIRST_RELEASE = np.datetime64("1896-01-01").astype(np.int64)


@dataclass(frozen=True)
class Catalogue:
    """The movies present on a day, (I,) each, by slot.

    Attributes:
        ids: their ids.
        traits: (I, 16) float32; times a user's taste it has about mean 0 and variance 1.
        language: position in `LANGUAGES`.
        quality: float32, mean 0, variance 1.
        log_popularity: float32, logarithm of how often it is shown beside others alike.
    """

    ids: Ints
    traits: Floats
    language: npt.NDArray[np.int8]
    quality: Floats
    log_popularity: Floats


@dataclass(frozen=True)
class _Makers:
    """Numbers of who made some movies: director, cast, franchise (-1 is none)."""

    director: Ints
    cast: Ints  # (N, _CAST)
    franchise: Ints


def catalogue(slots: Slots, day: date) -> Catalogue:
    """The movies that hold `slots` on `day`."""
    present = slots.present(day)
    ids, scope = present.ids, slots.scope
    makers = _makers(slots, ids)
    return Catalogue(
        ids=ids,
        traits=_traits(scope, ids, makers, _genres(scope, ids, makers)),
        language=_language(scope, ids),
        quality=_quality(scope, ids),
        log_popularity=_log_popularity(scope, present, day),
    )


def movie_attributes(slots: Slots, ids: Ints) -> pa.Table:
    """movie_id, title, genres, year, language, release_date, director, cast, franchise."""
    scope = slots.scope
    makers = _makers(slots, ids)
    genres = _genres(scope, ids, makers)
    release = _release(scope, ids, slots.joined(ids))
    year = release.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return pa.table(
        {
            "movie_id": pa.array(ids, pa.int64()),
            "title": titles(ids, makers.franchise, *scope),
            "genres": _lists(pa.array(GENRES).take(pa.array(genres.nonzero()[1])), genres.sum(1)),
            "year": pa.array(year, pa.int32()),
            "language": pa.array(LANGUAGES).take(pa.array(_language(scope, ids))),
            "release_date": pa.array(release.astype(np.int32), pa.int32()).cast(pa.date32()),
            "director": people(makers.director),
            "cast": _lists(people(makers.cast.ravel()), np.full(len(ids), _CAST)),
            "franchise": franchises(makers.franchise, *scope),
        }
    )


def queries(slots: Slots, ids: Ints, kind: Ints) -> pa.Array:
    """(N,) what finds each movie: its title (kind 0), its director (1) or a genre of its (2)."""
    makers = _makers(slots, ids)
    genre = _genres(slots.scope, ids, makers).argmax(axis=1)
    choices = (
        titles(ids, makers.franchise, *slots.scope),
        people(makers.director),
        pa.array(GENRES).take(pa.array(genre)),
    )
    both = pa.concat_arrays([pa.array(choice) for choice in choices])
    return both.take(pa.array(kind * len(ids) + np.arange(len(ids))))


def _lists(values: pa.Array, lengths: Ints) -> pa.ListArray:
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), values)


def _makers(slots: Slots, ids: Ints) -> _Makers:
    """Who made each movie: few do much, most do little. Nobody is twice in a cast."""
    chance = uniforms(ids, 3 + _CAST, *slots.scope, "makers")
    n_directors, n_franchises = max(8, slots.n // 4), max(2, slots.n // 25)
    n_actors = max(4, slots.n // 8)
    franchise = (chance[:, 1] * n_franchises).astype(np.int64)
    return _Makers(
        director=(chance[:, 0] ** 2 * n_directors).astype(np.int64),
        cast=(chance[:, 3:] ** 2 * n_actors).astype(np.int64) * _CAST + np.arange(_CAST),
        franchise=np.where(chance[:, 2] < _IN_A_FRANCHISE, franchise, -1),
    )


def _genres(scope: Scope, ids: Ints, makers: _Makers) -> npt.NDArray[np.bool_]:
    """(N, 18) which genres each movie has: one to four, some of those that its makers prefer."""
    shares = np.cumsum(np.array(_GENRE_WEIGHTS) / sum(_GENRE_WEIGHTS))[:-1]
    chance = uniforms(ids, 2 * _MOST_GENRES + 1, *scope, "genres")
    drawn = np.searchsorted(shares, chance[:, :_MOST_GENRES])
    usual = np.where(
        makers.franchise[:, None] >= 0,
        np.searchsorted(shares, uniforms(makers.franchise, 2, *scope, "franchise's genres")),
        np.searchsorted(shares, uniforms(makers.director, 2, *scope, "director's genres")),
    )
    prefers = chance[:, _MOST_GENRES:-1] < _DIRECTORS_PICK
    drawn = np.where(prefers, usual[:, [0, 1, 0, 1]], drawn)
    count = 1 + np.searchsorted(np.cumsum(_GENRE_COUNTS)[:-1], chance[:, -1])
    # A genre that is drawn again is simply there: the first stands for what is beyond the count.
    drawn = np.where(np.arange(_MOST_GENRES) < count[:, None], drawn, drawn[:, :1])
    genres = np.zeros((len(ids), len(GENRES)), np.bool_)
    np.put_along_axis(genres, drawn, values=True, axis=1)
    return genres


def _traits(scope: Scope, ids: Ints, makers: _Makers, genres: npt.NDArray[np.bool_]) -> Floats:
    """(N, 16): the genres' vectors, and what comes of the makers and the movie alone."""
    by_genre = normals(np.arange(len(GENRES)), _GENRE_FACTORS, *scope, "traits of a genre")
    coarse = genres.astype(np.float32) @ by_genre
    coarse *= (_GENRE_SHARE / _GENRE_FACTORS / genres.sum(axis=1)[:, None]) ** 0.5
    own, of_director, of_franchise = (
        normals(numbers, len(_FINE_WEIGHTS), *scope, name)
        for numbers, name in (
            (ids, "traits"),
            (makers.director, "traits of a director"),
            (makers.franchise, "traits of a franchise"),
        )
    )
    of_cast = normals(makers.cast.ravel(), len(_FINE_WEIGHTS), *scope, "traits of an actor")
    of_cast = of_cast.reshape(len(ids), _CAST, -1).sum(axis=1) / _CAST**0.5
    alone = 1 - _OF_DIRECTOR - _OF_CAST
    in_franchise = (makers.franchise >= 0)[:, None]
    mine = np.where(in_franchise, (alone - _OF_FRANCHISE) ** 0.5 * own, alone**0.5 * own)
    fine = _OF_DIRECTOR**0.5 * of_director + _OF_CAST**0.5 * of_cast + mine
    fine += np.where(in_franchise, _OF_FRANCHISE**0.5 * of_franchise, 0)
    weights = np.array(_FINE_WEIGHTS)
    fine *= weights * ((1 - _GENRE_SHARE) / np.square(weights).sum()) ** 0.5
    return np.concatenate([coarse, fine], axis=1).astype(np.float32)


def _language(scope: Scope, ids: Ints) -> npt.NDArray[np.int8]:
    chance = uniforms(ids, 1, *scope, "language")[:, 0]
    return np.searchsorted(np.cumsum(_LANGUAGE_SHARES)[:-1], chance).astype(np.int8)


def _renown(scope: Scope, ids: Ints) -> Floats:
    """(N,) float32, exponential with mean 1: minus the logarithm of the rank's share."""
    return -np.log(uniforms(ids, 1, *scope, "renown")[:, 0]).astype(np.float32)


def _quality(scope: Scope, ids: Ints) -> Floats:
    own = normals(ids, 1, *scope, "quality")[:, 0]
    popular = _renown(scope, ids) - 1
    return np.float32((1 - _QUALITY_OF_POPULAR**2) ** 0.5) * own + _QUALITY_OF_POPULAR * popular


def _log_popularity(scope: Scope, present: Present, day: date) -> Floats:
    """(I,): a power law of the rank, more for what is new here, and for what is new at all."""
    today = days_since_1970(day)
    here = (today - present.joined) / _NEW_DAYS
    age = (today - _release(scope, present.ids, present.joined)) / _PREMIERE_DAYS
    boost = _NEW_BOOST * np.exp(-here) + _PREMIERE_BOOST * np.exp(-age)
    lasting = _POPULARITY_EXPONENT * (_renown(scope, present.ids) - 1)
    return (lasting + boost).astype(np.float32)


def _release(scope: Scope, ids: Ints, joined: Ints) -> Ints:
    """(N,) days from 1970-01-01 to the release: shortly before the arrival, or years."""
    chance = uniforms(ids, 2, *scope, "release")
    fresh = chance[:, 0] < _FRESH
    years = _FRESH_DAYS - _MEAN_AGE_DAYS * np.log(chance[:, 1])
    age = np.where(fresh, _FRESH_DAYS * chance[:, 1], years)
    return np.maximum(joined - age.astype(np.int64), _FIRST_RELEASE)
