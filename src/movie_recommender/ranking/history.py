"""A user's history as weights: the newest movies say most about what comes next."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def oldest_first(positives: csr_array, times: Ints | None) -> Ints:
    """(P,) places in `positives.indices` by user, then time; of equal times the lower movie row.

    Args:
        positives: (U, I) with sorted indices.
        times: (P,) in the order of `positives.indices`; None leaves them as they are.
    """
    if times is None:
        return np.arange(positives.nnz)
    user = np.repeat(np.arange(positives.shape[0]), np.diff(positives.indptr))
    return np.lexsort((times, user))


def recency_weights(counts: Ints, *, half_life: float) -> Floats:
    """(P,) weights of histories that lie one after the other, each oldest first.

    The movie that has r newer ones after it weighs 0.5^(r / half_life); each history has length 1
    (its squares sum to 1). Without a half-life all of n movies weigh n^-1/2, as in SVD++ (Koren
    2008, equation 15).

    Args:
        counts: (U,) movies in each history.
        half_life: in movies; infinity where times are unknown.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    newer = np.cumsum(counts)[owner] - 1 - np.arange(len(owner))
    weights = np.exp2(-newer / half_life)
    length = np.sqrt(np.bincount(owner, weights**2, minlength=len(counts)))
    return np.asarray(weights / length[owner], np.float32)


def history_matrix(positives: csr_array, times: Ints | None, *, half_life: float) -> csr_array:
    """(U, I) float32: `recency_weights` of each user's whole history, by row."""
    order = oldest_first(positives, times)
    weights = np.empty(positives.nnz, np.float32)
    weights[order] = recency_weights(
        np.diff(positives.indptr), half_life=np.inf if times is None else half_life
    )
    return csr_array((weights, positives.indices, positives.indptr), shape=positives.shape)
