"""Side features of users and movies as numbers, the same at training and at scoring time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float32]

FRESH_DAYS = (30.0, 365.0)
"""Half-lives of what makes a movie new: a feature each."""

AGE_EDGES = (18, 25, 35, 45, 55, 65)
"""Lower edges (years) of the age groups after the first."""


@dataclass(frozen=True)
class Encoding:
    """The vocabularies of the categorical features and the scale of the numeric ones.

    A value outside its vocabulary, or a missing one, encodes as all zeros: the neutral element of
    the linear layers behind it.
    """

    genres: tuple[str, ...]
    languages: tuple[str, ...]
    countries: tuple[str, ...]
    devices: tuple[str, ...]
    year_mean: float
    year_scale: float

    @classmethod
    def fit(
        cls, users: pa.Table, movies: pa.Table, *, earlier: "Encoding | None" = None
    ) -> "Encoding":
        """Vocabularies (sorted) and scales of these tables; attributes only, no behaviour.

        With an `earlier` encoding its scale stays, and what is new joins its vocabularies, so that
        weights learned with it keep their meaning.
        """
        if earlier is not None:
            return earlier._grown(cls.fit(users, movies))
        years = movies["year"].drop_null().to_numpy().astype(np.float64)
        return cls(
            genres=_vocabulary(movies["genres"].combine_chunks().flatten()),
            languages=_vocabulary(movies["language"]),
            countries=_vocabulary(users["country"]),
            devices=_vocabulary(users["device"]),
            year_mean=float(years.mean()) if years.size else 0.0,
            year_scale=max(float(years.std()), 1.0) if years.size else 1.0,
        )

    def _grown(self, new: "Encoding") -> "Encoding":
        return replace(
            self,
            genres=_joined(self.genres, new.genres),
            languages=_joined(self.languages, new.languages),
            countries=_joined(self.countries, new.countries),
            devices=_joined(self.devices, new.devices),
        )

    @property
    def user_features(self) -> tuple[str, ...]:
        """Names of the columns of `encode_users`."""
        ages = [f"age group {group}" for group in range(len(AGE_EDGES) + 1)]
        return (
            *ages,
            *(f"country {name}" for name in self.countries),
            *(f"device {name}" for name in self.devices),
        )

    @property
    def movie_features(self) -> tuple[str, ...]:
        """Names of the columns of `encode_movies`."""
        return (
            *(f"genre {name}" for name in self.genres),
            *(f"language {name}" for name in self.languages),
            *(f"fresh by {days:g} days" for days in FRESH_DAYS),
            "year",
        )

    @property
    def n_user_features(self) -> int:
        """Columns of `encode_users`."""
        return len(self.user_features)

    @property
    def n_movie_features(self) -> int:
        """Columns of `encode_movies`."""
        return len(self.movie_features)

    def encode_users(self, users: pa.Table) -> Floats:
        """(U, n_user_features) float32: age group, country and device, one-hot."""
        age = pc.fill_null(users["age"], -1).to_numpy()
        group = np.where(age < 0, -1, np.searchsorted(AGE_EDGES, age, side="right"))
        return np.concatenate(
            [
                _one_hot(group, len(AGE_EDGES) + 1),
                _one_hot(_codes(users["country"], self.countries), len(self.countries)),
                _one_hot(_codes(users["device"], self.devices), len(self.devices)),
            ],
            axis=1,
        )

    def encode_movies(self, movies: pa.Table, *, now: datetime) -> Floats:
        """(I, n_movie_features) float32: genres (rows of unit length), language, freshness, year.

        Freshness is 2^(-age / half-life) of the age since release: 1 on that day and before it, 0
        where it isn't known.

        Args:
            movies: (I) rows.
            now: the instant that the ages are reckoned to.
        """
        genres = np.zeros((movies.num_rows, len(self.genres)), np.float32)
        lists = movies["genres"].combine_chunks()
        rows = pc.list_parent_indices(lists).to_numpy()
        codes = _codes(lists.flatten(), self.genres)
        genres[rows[codes >= 0], codes[codes >= 0]] = 1.0
        genres /= np.maximum(np.linalg.norm(genres, axis=1, keepdims=True), 1.0)
        year = pc.cast(movies["year"], pa.float64()).to_numpy()
        scaled = np.nan_to_num((year - self.year_mean) / self.year_scale)
        language = _one_hot(_codes(movies["language"], self.languages), len(self.languages))
        fresh = _freshness(movies, now)
        return np.concatenate([genres, language, fresh, scaled[:, None].astype(np.float32)], axis=1)


def _freshness(movies: pa.Table, now: datetime) -> Floats:
    """(I, len(FRESH_DAYS))."""
    fresh = np.zeros((movies.num_rows, len(FRESH_DAYS)), np.float32)
    if "release_date" in movies.column_names:
        released = pc.cast(pc.cast(movies["release_date"], pa.int32()), pa.float64()).to_numpy()
        age = np.maximum(now.timestamp() / 86_400 - released, 0.0)  # days, NaN where unknown
        fresh[:] = np.nan_to_num(np.exp2(-age[:, None] / np.array(FRESH_DAYS)))
    return fresh


def _vocabulary(values: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(sorted(pc.unique(values.drop_null()).to_pylist()))


def _joined(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*names, *others}))


def _codes(values: pa.ChunkedArray, vocabulary: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """(N,) position in the vocabulary, -1 where missing or unknown."""
    found = pc.index_in(values, value_set=pa.array(vocabulary, pa.string()))
    codes: npt.NDArray[np.int64] = np.asarray(pc.fill_null(found, -1), np.int64)
    return codes


def _one_hot(codes: npt.NDArray[np.int64], size: int) -> Floats:
    """(N, size) float32; a code of -1 gives a row of zeros."""
    hot = np.zeros((codes.size, size), np.float32)
    known = np.flatnonzero(codes >= 0)
    hot[known, codes[known]] = 1.0
    return hot
