"""What is liked: by everybody, in a country, at an age. The list of whoever has no history."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from movie_recommender.bundle import open_tensors
from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.encoding import AGE_EDGES, Encoding

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]

POPULAR = "popular.safetensors"
"""File of the bundle with the likes of each movie."""

MIN_USERS = 10
"""Users with a like that a group must have: the list of fewer would tell what they like."""
LONGEST = 1000
"""Movies of a group's list at most; what comes after them is in everybody's order."""


def country_group(country: str) -> str:
    """Name of the group of a country's users."""
    return f"country {country}"


def age_group(age: int) -> str:
    """Name of the group of the users whose age (years) is in the same group of `AGE_EDGES`."""
    return f"age group {int(np.searchsorted(AGE_EDGES, age, side='right'))}"


@dataclass(frozen=True)
class Popular:
    """Likes of the movies, in the order of the catalogue.

    Attributes:
        likes: (I,) int32 of everybody.
        groups: by name of a group: its most liked movies' rows (n,) int32, and their likes there.
    """

    likes: Counts
    groups: Mapping[str, tuple[Counts, Counts]]

    @classmethod
    def of(cls, dataset: Dataset, encoding: Encoding) -> "Popular":
        """The likes of the data set, by the countries and age groups of the encoding."""
        likes = np.asarray(dataset.positives.sum(axis=0), np.int32)
        return cls(likes, dict(_groups(dataset, encoding)))

    def scores(self, group: str | None = None) -> Floats:
        """(I,) float32: by likes in the group, of equal ones by everybody's; None: by everybody's.

        An unknown group's are everybody's.
        """
        scores = self.likes.astype(np.float32)
        if group is None or group not in self.groups:
            return scores
        scores /= 1.0 + self.likes.max(initial=0)  # below 1: decides only between equals
        rows, counts = self.groups[group]
        scores[rows] += counts
        return scores

    def save(self, path: Path) -> None:
        """Write the safetensors file `path`."""
        none = np.empty(0, np.int32)
        rows = [rows for rows, _ in self.groups.values()]
        counts = [counts for _, counts in self.groups.values()]
        tensors: dict[str, npt.NDArray[Any]] = {
            "likes": self.likes,
            "size": np.array([len(part) for part in rows], np.int64),
            "movie": np.concatenate([none, *rows]),
            "count": np.concatenate([none, *counts]),
        }
        save_file(tensors, path, metadata={"groups": json.dumps(list(self.groups))})

    @classmethod
    def open(cls, path: Path) -> "Popular":
        """The file `path`, mapped into memory.

        Raises:
            RegistryError: it isn't there or is damaged.
        """
        file = open_tensors(path)
        sizes = file.tensors["size"]
        ends = np.cumsum(sizes)
        movie, count = file.tensors["movie"], file.tensors["count"]
        cuts = zip(json.loads(file.metadata["groups"]), ends - sizes, ends, strict=True)
        groups = {name: (movie[begin:end], count[begin:end]) for name, begin, end in cuts}
        return cls(file.tensors["likes"], groups)


def _groups(dataset: Dataset, encoding: Encoding) -> Iterator[tuple[str, tuple[Counts, Counts]]]:
    """Country and age groups with users enough; the encoding's other columns are no groups."""
    member = encoding.encode_users(dataset.users)  # (U, Fu), one-hot
    active = np.diff(dataset.positives.indptr) > 0  # (U,)
    for column, name in enumerate(encoding.user_features):
        users = np.flatnonzero((member[:, column] > 0) & active)
        if len(users) < MIN_USERS or not name.startswith(("country ", "age group ")):
            continue
        counts = np.asarray(dataset.positives[users].sum(axis=0), np.int32)
        order = np.argsort(-counts, kind="stable")[:LONGEST].astype(np.int32)
        order = order[counts[order] > 0]
        yield name, (order, counts[order])
