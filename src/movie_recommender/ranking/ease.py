"""EASE: the linear autoencoder whose weights have a closed form."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, lapack

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.scorer import Floats, Rows

REGULARISATION = 300.0
"""The best full-catalogue NDCG@10 on the default world's validation window and on a held-out
positive a user of ml-latest-small, of 30, 100, 300, 1000 and 3000."""
MAX_MOVIES = 8_000
"""Liked movies up to which it is a baseline: an I x I float64 matrix then takes half a gigabyte,
and its inversion, of the order of I cubed, some twenty seconds of a core."""


class EASE:
    """Embarrassingly shallow autoencoders (Steck 2019, arXiv:1905.03375).

    score(u, i) = sum of B(j, i) over the movies j that u liked. B minimises |X - X B|^2 + l |B|^2
    with a diagonal of zeros, X the positives: with P = (X'X + l 1)^-1, B(j, i) = -P(j, i) / P(i, i)
    for j other than i (equation 8). A user without history scores 0 throughout. A movie that
    nobody liked has only zeros in B and scores 0, above those with a negative score: so does the
    formula. Such movies are left out of the inversion, which changes no other weight.

    Args:
        dataset: whom and what to score; X is its positives.
        regularisation: l, above 0.
    """

    def __init__(self, dataset: Dataset, *, regularisation: float = REGULARISATION) -> None:
        self._liked = liked_movies(dataset)  # (J,)
        self._n_movies = dataset.movies.num_rows
        self._history = dataset.positives[:, self._liked]  # (U, J)
        gram = (self._history.T @ self._history).toarray().astype(np.float64)  # (J, J)
        self._weights = weights(gram, regularisation=regularisation)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 reconstruction of what the user likes."""
        scores = np.zeros((len(user_rows), self._n_movies), np.float32)
        scores[:, self._liked] = self._history[user_rows] @ self._weights
        return scores


def liked_movies(dataset: Dataset) -> npt.NDArray[np.int64]:
    """(J,) rows of the movies that somebody liked, ascending."""
    return np.unique(dataset.positives.indices).astype(np.int64)


def weights(gram: npt.NDArray[np.float64], *, regularisation: float) -> Floats:
    """(J, J) float32 B of `EASE`.

    Args:
        gram: (J, J) X'X: for each two movies the users who liked both.
        regularisation: l, above 0.
    """
    if len(gram) == 0:
        return np.zeros((0, 0), np.float32)
    damped = gram + regularisation * np.eye(len(gram))
    factor, _ = cho_factor(damped, overwrite_a=True, check_finite=False)
    inverse, _ = lapack.dpotri(factor, overwrite_c=True)
    upper = np.triu(inverse)
    precision = upper + np.triu(upper, 1).T
    found = precision / -np.diag(precision)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found, np.float32)
