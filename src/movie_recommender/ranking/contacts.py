"""Who met which movies, oldest first, in one file that is looked up in without being read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from safetensors.numpy import save_file

from movie_recommender.bundle import open_tensors
from movie_recommender.errors import RegistryError
from movie_recommender.ranking.dataset import Dataset

Ints = npt.NDArray[np.int64]

CONTACTS = "contacts.safetensors"
"""File of the bundle with what its model's users had met when it was trained."""

_ARRAYS = ("user_ids", "movie_ids", "start", "movie", "liked", "age", "country", "device")
_ABOUT = ("countries", "devices", "snapshot_id", "as_of")


@dataclass(frozen=True)
class Person:
    """What is known about a user beside what he met; None where it isn't."""

    age: int | None = None
    country: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class Contacts:
    """The users of a snapshot and what each of them met before its instant.

    Attributes:
        user_ids: (U,) int64, ascending.
        movie_ids: (M,) int64, ascending.
        start: (U + 1,) int64 where each user's contacts begin.
        movie: (P,) int32 places in `movie_ids`; a user's lie oldest first.
        liked: (P,) uint8, 1 where the contact is positive.
        age: (U,) int16 years, -1 where not known.
        country: (U,) int32 places in `countries`, -1 where not known.
        device: (U,) int32 places in `devices`, -1 where not known.
        countries: names.
        devices: names.
        snapshot_id: of the feature store that this is from.
        as_of: ISO 8601; every contact is earlier.
    """

    user_ids: Ints
    movie_ids: Ints
    start: Ints
    movie: npt.NDArray[np.int32]
    liked: npt.NDArray[np.uint8]
    age: npt.NDArray[np.int16]
    country: npt.NDArray[np.int32]
    device: npt.NDArray[np.int32]
    countries: tuple[str, ...]
    devices: tuple[str, ...]
    snapshot_id: str
    as_of: str

    @classmethod
    def build(
        cls,
        users: pa.Table,
        movie_ids: Ints,
        *,
        user: Ints,
        movie: Ints,
        liked: npt.NDArray[Any],
        snapshot_id: str,
        as_of: str,
    ) -> "Contacts":
        """From contacts that lie oldest first.

        Args:
            users: (U) rows of the feature store's user table, by `user_id`.
            movie_ids: (M,) ascending.
            user: (P,) rows of `users`.
            movie: (P,) places in `movie_ids`.
            liked: (P,) whether the contact is positive.
            snapshot_id: of the feature store.
            as_of: ISO 8601.
        """
        order = np.argsort(user, kind="stable")
        counts = np.bincount(user, minlength=users.num_rows)
        country, countries = _coded(users["country"])
        device, devices = _coded(users["device"])
        return cls(
            user_ids=users["user_id"].to_numpy(),
            movie_ids=movie_ids,
            start=np.concatenate([[0], np.cumsum(counts)]),
            movie=movie[order].astype(np.int32),
            liked=liked[order].astype(np.uint8),
            age=pc.fill_null(users["age"], -1).to_numpy().astype(np.int16),
            country=country,
            device=device,
            countries=countries,
            devices=devices,
            snapshot_id=snapshot_id,
            as_of=as_of,
        )

    @classmethod
    def of(cls, dataset: Dataset, *, snapshot_id: str = "") -> "Contacts":
        """What the data set knows; contacts without a like, whose time it doesn't know, first."""
        n_users, n_movies = dataset.seen.shape
        user = np.repeat(np.arange(n_users), np.diff(dataset.seen.indptr))  # (P,)
        movie = dataset.seen.indices.astype(np.int64)
        # A contact's place among the positives, which are some of the contacts in the same order.
        cell = user * n_movies + movie
        owner = np.repeat(np.arange(n_users), np.diff(dataset.positives.indptr))
        liked = np.isin(cell, owner * n_movies + dataset.positives.indices)
        time = np.full(len(cell), np.iinfo(np.int64).min)
        if dataset.times is not None:
            time[liked] = dataset.times
        order = np.lexsort((time, user))
        return cls.build(
            dataset.users,
            dataset.movie_ids,
            user=user[order],
            movie=movie[order],
            liked=liked[order],
            snapshot_id=snapshot_id,
            as_of=dataset.until.isoformat(),
        )

    def save(self, path: Path) -> None:
        """Write the safetensors file `path`."""
        about = {name: getattr(self, name) for name in _ABOUT}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        # One entry: of several the library writes another order each time.
        save_file(arrays, path, metadata={"about": json.dumps(about)})

    @classmethod
    def open(cls, path: Path) -> "Contacts":
        """The file `path`, mapped into memory.

        Raises:
            RegistryError: it isn't there, is damaged, or of another version's form.
        """
        file = open_tensors(path)
        try:
            about: dict[str, Any] = json.loads(file.metadata["about"])
            about |= {name: tuple(about[name]) for name in ("countries", "devices")}
            return cls(**about | {name: file.tensors[name] for name in _ARRAYS})
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"{path} has no contacts that this version can read ({error!r}). Have them made "
                "again: a model by movie-recommender train, a store's by the next look at it."
            )
            raise RegistryError(message) from error

    def row(self, user_id: int) -> int | None:
        """The user's row, or None."""
        place = int(np.searchsorted(self.user_ids, user_id))
        return place if place < len(self.user_ids) and self.user_ids[place] == user_id else None

    def likes_any(self, row: int) -> bool:
        """Whether the user at `row` liked a movie."""
        return bool(self.liked[self.start[row] : self.start[row + 1]].any())

    def met(self, row: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """(n,) ids of the movies that the user at `row` met, oldest first; (n,) which he liked."""
        part = slice(self.start[row], self.start[row + 1])
        return self.movie_ids[self.movie[part]], self.liked[part].astype(np.bool_)

    def person(self, row: int) -> Person:
        """What is known about the user at `row`."""
        age, country, device = int(self.age[row]), int(self.country[row]), int(self.device[row])
        return Person(
            age=None if age < 0 else age,
            country=None if country < 0 else self.countries[country],
            device=None if device < 0 else self.devices[device],
        )


def _coded(values: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """(U,) place of each value among the names, -1 for none; and the names, sorted."""
    names = sorted(pc.unique(values.drop_null()).to_pylist())
    found = pc.index_in(values, value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, -1), np.int32), tuple(names)
