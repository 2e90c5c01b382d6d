"""A large catalogue in two stages: every movie roughly, then the best of them exactly.

The rough score is the model's own to first order. GMF and the bias are linear in the user's vector
as they are; the MLP tower, made of ReLUs, is linear around a point. So one product of a vector with
a table stands for the whole network, and the tower itself sees the shortlist alone. What that costs
is to read the table: most of what it says of the order lies in fewer dimensions than it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from movie_recommender.bundle import open_tensors
from movie_recommender.ranking.folded import Folded

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SHORTLIST = "first_stage.safetensors"
"""File of the bundle, there only where two stages find what one finds."""

MIN_MOVIES = 10_000
"""A smaller catalogue is ranked exactly in a fraction of a millisecond."""
PER_PLACE = (25, 50, 100, 200)
"""Movies on the shortlist for each place of the list; the fewest that find enough, ..."""
DIMENSIONS = (32, 64)
"""... in the fewest dimensions that do, else in all of them."""
LEAST_RECALL = 0.99
K = 10
_TINY = 1e-12


@dataclass(frozen=True)
class Shortlist:
    """The first stage.

    Attributes:
        table: (r, I) float32: vectors by GMF's weights, halves of the tower's first layer, and
            biases, as `basis` sees them. Movies lie along the last axis: a row vector times that
            reads memory in one go.
        basis: (d + h1 + 1, r) float32.
        typical: (h1 + 1,) float32: half and GMF product around which the tower is taken as linear.
        per_place: movies to keep for each place of the list.
    """

    table: Floats
    basis: Floats
    typical: Floats
    per_place: int

    @classmethod
    def of(cls, weights: Mapping[str, Floats], folded: Folded, users: Floats) -> "Shortlist":
        """For these movies, in all dimensions; `users` (B, d) some users, who choose the point.

        It lies in the middle of what these users' best movies bring to the tower.
        """
        half = folded.half(weights)  # (I, h1)
        linear = folded.vectors * weights["gmf_out"]  # (I, d)
        products = users @ linear.T  # (B, I)
        best = np.argmax(products + folded.bias, axis=1)  # (B,)
        typical = [half[best].mean(axis=0), [products[np.arange(len(best)), best].mean()]]
        table = np.ascontiguousarray(np.concatenate([linear.T, half.T, folded.bias[None]]))
        basis = np.eye(len(table), dtype=np.float32)
        return cls(table, basis, np.concatenate(typical).astype(np.float32), 0)

    def narrowed(self, weights: Mapping[str, Floats], users: Floats, n: int) -> "Shortlist":
        """In the n dimensions that tell most of these users' scores.

        The truncated singular value decomposition of the table (Eckart, Young 1936), each of its
        rows first weighed by the root mean square of what multiplies it.

        Args:
            weights: the model's.
            users: (B, d) vectors.
            n: fewer than there are.
        """
        rows = np.stack([self._row(weights, user) for user in users])  # (B, d + h1 + 1)
        size = np.sqrt(np.square(rows, dtype=np.float64).mean(axis=0)) + _TINY
        weighed = self.table * size[:, None]
        _, vectors = np.linalg.eigh(weighed @ weighed.T)  # ascending
        kept = vectors[:, -n:]  # (d + h1 + 1, n)
        table, basis = kept.T @ weighed, kept / size[:, None]
        return replace(
            self,
            table=np.ascontiguousarray(table, np.float32),
            basis=np.ascontiguousarray(basis, np.float32),
        )

    def scores(self, weights: Mapping[str, Floats], user: Floats) -> Floats:
        """(I,) float32 the model's log odds to first order, less what all movies have in common.

        Args:
            weights: the model's.
            user: (d,) float32 vector.
        """
        row: Floats = self._row(weights, user) @ self.basis  # (r,)
        scores: Floats = row @ self.table
        return scores

    def size(self, k: int) -> int | None:
        """Movies to keep for a list of k; None: so many that exact scores of all cost no more."""
        wanted = self.per_place * max(k, K)
        return wanted if 4 * wanted <= self.table.shape[1] else None

    def save(self, path: Path) -> None:
        """Write the safetensors file `path`."""
        per_place = np.array([self.per_place], np.int64)
        tensors: dict[str, npt.NDArray[Any]] = {"table": self.table, "basis": self.basis}
        save_file(tensors | {"typical": self.typical, "per_place": per_place}, path)

    @classmethod
    def open(cls, path: Path) -> "Shortlist":
        """The file `path`, mapped into memory.

        Raises:
            RegistryError: it isn't there or is damaged.
        """
        tensors = open_tensors(path).tensors
        per_place = int(tensors["per_place"][0])
        return cls(tensors["table"], tensors["basis"], tensors["typical"], per_place)

    def _row(self, weights: Mapping[str, Floats], user: Floats) -> Floats:
        """(d + h1 + 1,) float32, by which the whole table is multiplied."""
        slope = self._slope(weights, user)  # (h1,)
        stretch = 1.0 + slope @ weights["mlp_gmf"]
        row = np.concatenate([user * stretch, slope, np.ones(1, np.float32)])
        return row.astype(np.float32)

    def _slope(self, weights: Mapping[str, Floats], user: Floats) -> Floats:
        """(h1,) what the tower's output gains by each unit of its first layer, at the point."""
        w = weights
        first = user @ w["mlp_user"] + w["mlp_bias"] + self.typical[:-1]
        first = first + self.typical[-1] * w["mlp_gmf"]  # (h1,)
        second = np.maximum(first, 0.0) @ w["mlp_hidden"] + w["mlp_hidden_bias"]  # (h2,)
        slope: Floats = (w["mlp_hidden"] @ (w["mlp_out"] * (second > 0))) * (first > 0)
        return slope


def highest(scores: Floats, n: int) -> Ints:
    """(n,) or, where the lowest of them are equal, more places of the highest scores, ascending.

    Args:
        scores: (I,).
        n: how many, at most I.
    """
    if n == 0:
        return np.empty(0, np.int64)
    lowest = np.partition(scores, len(scores) - n)[len(scores) - n]
    places: Ints = (scores >= lowest).nonzero()[0]
    return places


def places_of_the_best(exact: Floats, rough: Floats) -> Ints:
    """(K,) how many movies have a higher rough score than each of the K with the best exact ones.

    Args:
        exact: (I,), -inf where a movie may not be on the list.
        rough: (I,), -inf there, too.
    """
    best = highest(exact, K)
    places: Ints = np.count_nonzero(rough > rough[best][:, None], axis=1)
    return places
