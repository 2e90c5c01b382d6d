"""A user's history as weights: the newest movies say most about what comes next."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # see `ranking.dataset`
    from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recency:
    """How much the newest movies of a history weigh.

    The movie that has r newer ones after it weighs floor + (1 - floor) 0.5^(r / half_life).

    Attributes:
        half_life: in movies, above 0.
        floor: weight of the oldest, relative to the newest; 1: all weigh alike.
    """

    half_life: float
    floor: float


ALL_ALIKE = Recency(half_life=1.0, floor=1.0)
"""For histories whose order isn't known."""


def oldest_first(positives: "csr_array", times: Ints | None) -> Ints:
    """(P,) places in `positives.indices` by user, then time; of equal times the lower movie row.

    Args:
        positives: (U, I) with sorted indices.
        times: (P,) in the order of `positives.indices`; None leaves them as they are.
    """
    if times is None:
        return np.arange(positives.nnz)
    user = np.repeat(np.arange(positives.shape[0]), np.diff(positives.indptr))
    return np.lexsort((times, user))


def recency_weights(counts: Ints, recency: Recency) -> Floats:
    """(P,) weights of histories that lie one after the other, each oldest first.

    The squares of each history's weights sum to 1: where all weigh alike, each of n movies weighs
    n^-1/2, as in SVD++ (Koren 2008, equation 15).

    Args:
        counts: (U,) movies in each history.
        recency: how the weights fall.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    newer = np.cumsum(counts)[owner] - 1 - np.arange(len(owner))
    weights = recency.floor + (1.0 - recency.floor) * np.exp2(-newer / recency.half_life)
    length = np.sqrt(np.bincount(owner, weights**2, minlength=len(counts)))
    return np.asarray(weights / length[owner], np.float32)


def history_matrix(positives: "csr_array", times: Ints | None, recency: Recency) -> "csr_array":
    """(U, I) float32: `recency_weights` of each user's whole history, by row.

    Args:
        positives: (U, I) with sorted indices.
        times: (P,) in the order of `positives.indices`; None: all weigh alike.
        recency: how the weights fall.
    """
    from scipy.sparse import csr_array

    order = oldest_first(positives, times)
    weights = np.empty(positives.nnz, np.float32)
    counts = np.diff(positives.indptr)
    weights[order] = recency_weights(counts, ALL_ALIKE if times is None else recency)
    return csr_array((weights, positives.indices, positives.indptr), shape=positives.shape)
