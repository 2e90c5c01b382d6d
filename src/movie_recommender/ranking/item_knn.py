"""Neighbours of movies: who liked this also liked that."""

import numpy as np
from scipy.sparse import csr_array, vstack

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Rows

NEIGHBOURS = 500
SHRINKAGE = 30.0
"""The best NDCG@10 on the default world's validation window, of k from 20 to 1000 and h from 0 to
100: a month gives a movie few likes, so that a few neighbours leave most movies without a score."""

_PAIRS_AT_ONCE = 2_000_000
"""Pairs of movies compared at a time, so that memory is bounded however many movies there are."""


class ItemKNN:
    """Item-based top-N recommendation (Sarwar et al. 2001; Deshpande, Karypis 2004).

    score(u, i) = sum of s(i, j) over the movies j that u liked and that are among the k most
    similar to i; s(i, j) = n_ij / (sqrt(n_i n_j) + h), with n_ij the users who liked both: the
    cosine of the two columns of positives (Sarwar et al., section 3.1.1), shrunk by h as in
    Ferrari Dacrema et al. 2019, section 3.1. A movie is no neighbour of itself. Of neighbours that
    are equally similar the one with the lower row goes first. A user without history, and a movie
    that nobody liked, score 0 throughout.

    Args:
        dataset: whom and what to score; similarities and histories are its positives.
        neighbours: k, at least 1.
        shrinkage: h, at least 0.
    """

    def __init__(
        self, dataset: Dataset, *, neighbours: int = NEIGHBOURS, shrinkage: float = SHRINKAGE
    ) -> None:
        self._history = dataset.positives  # (U, I)
        similar = similarities(dataset.positives, neighbours=neighbours, shrinkage=shrinkage)
        self._weights = csr_array(similar.T)  # (I, I): liked movie, scored movie

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 similarity of each movie to what the user liked."""
        return np.asarray((self._history[user_rows] @ self._weights).toarray(), np.float32)


def similarities(positives: csr_array, *, neighbours: int, shrinkage: float) -> csr_array:
    """(I, I) float32: in row i the similarities s(i, j) to the `neighbours` nearest movies j.

    Args:
        positives: (U, I), 1 where the user liked the movie.
        neighbours: at most so many in a row.
        shrinkage: h of `ItemKNN`.
    """
    liked = np.asarray(positives.sum(axis=0), np.float64)  # (I,)
    by_movie = csr_array(positives.T)
    step = max(1, _PAIRS_AT_ONCE // max(1, len(liked)))
    blocks = [csr_array((0, len(liked)), dtype=np.float32)]
    for start in range(0, len(liked), step):
        both = csr_array(by_movie[start : start + step] @ positives)  # (b, I)
        row = start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        both.data = both.data / (np.sqrt(liked[row] * liked[both.indices]) + shrinkage)
        both.data[row == both.indices] = 0.0
        blocks.append(_nearest(both, neighbours))
    return csr_array(vstack(blocks))


def _nearest(similar: csr_array, k: int) -> csr_array:
    """The k highest of each row above 0; of equal ones those with the lower column."""
    rows, columns = similar.shape
    row = np.repeat(np.arange(rows), np.diff(similar.indptr))
    order = np.lexsort((similar.indices, -similar.data, row))
    place = np.arange(len(order)) - similar.indptr[row]  # rows stay where they were
    kept = order[(place < k) & (similar.data[order] > 0.0)]
    return csr_array(
        (similar.data[kept].astype(np.float32), (row[kept], similar.indices[kept])),
        shape=(rows, columns),
    )
