"""What the lists are like that a model would show: how much of the catalogue, how new, how mixed.

A list is a row of movie rows, -1 where fewer than k movies could be shown.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from movie_recommender.evaluation.metrics import Floats, Ints, K, Scores
from movie_recommender.ranking import Dataset

ALPHA = 0.01
"""How much of the user's own genres is mixed into the list's (Steck 2018, section 3.2)."""


@dataclass(frozen=True)
class Catalogue:
    """What is known of the movies and of the users' taste before the window.

    Attributes:
        self_information: (I,) bits.
        genres: (I, G) bool, which genres a movie has.
        history: (U, I) the users' positives.
    """

    self_information: Floats
    genres: npt.NDArray[np.bool_]
    history: csr_array

    @classmethod
    def of(cls, dataset: Dataset) -> "Catalogue":
        """The catalogue of `dataset`: popularity and history are its positives."""
        liked = np.asarray(dataset.positives.sum(axis=0), np.float64)
        n_users = max(1, int(np.count_nonzero(np.diff(dataset.positives.indptr))))
        information = np.log2(n_users / np.maximum(liked, 1.0))
        return cls(information, genres_of(dataset.movies)[1], dataset.positives)

    def novelty(self, lists: Ints) -> Floats:
        """(B,) mean self-information of each list's movies, in bits (Zhou et al. 2010).

        log2(U / k) of a movie that k of the U users with any positive liked; one that nobody liked
        counts as liked by one. NaN for an empty list.
        """
        return _mean(self.self_information[lists], lists)

    def diversity(self, lists: Ints) -> Floats:
        """(B,) 1 - mean cosine of the genres of each list's pairs (Ziegler et al. 2005, eq. 5).

        A movie without genres is like no other. NaN for a list of fewer than two movies.
        """
        genres = self.genres / np.maximum(np.sqrt(self.genres.sum(axis=1, keepdims=True)), 1.0)
        vectors = np.where((lists >= 0)[..., None], genres[lists], 0.0)  # (B, k, G)
        n = (lists >= 0).sum(axis=1)
        twice = np.square(vectors.sum(axis=1)).sum(axis=1) - np.square(vectors).sum(axis=(1, 2))
        pairs = n * (n - 1.0)
        undefined = np.full(len(lists), np.nan)
        distance: Floats = np.divide(pairs - twice, pairs, out=undefined, where=pairs > 0)
        return distance

    def calibration(self, lists: Ints, users: Ints) -> Floats:
        """(B,) how far each list's genres are from those that its user liked; 0 is best.

        C_KL of Steck 2018, equations 2, 3, 6 and 7, in nats, all weights 1: a movie's genres share
        it evenly. NaN for who has liked no movie with a genre, and for a list without one.

        Args:
            lists: (B, k).
            users: (B,) rows of the users.
        """
        wanted, shown = self.genre_shares(lists, users)  # p(g|u), q(g|u)
        mixed = (1.0 - ALPHA) * shown + ALPHA * wanted  # q~(g|u)
        ratio = np.divide(wanted, mixed, out=np.ones_like(wanted), where=~(wanted <= 0.0))
        return np.asarray((wanted * np.log(ratio)).sum(axis=1), np.float64)

    def genre_shares(self, lists: Ints, users: Ints) -> tuple[Floats, Floats]:
        """(B, G) each: shares of the genres in what each user liked, and in their list.

        A movie's genres share it evenly. NaN where no movie has a genre.
        """
        shares = self.genres / np.maximum(self.genres.sum(axis=1, keepdims=True), 1.0)  # (I, G)
        shown = np.where((lists >= 0)[..., None], shares[lists], 0.0).sum(axis=1)
        return _distribution(self.history[users] @ shares), _distribution(shown)


def genres_of(movies: pa.Table) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """The catalogue's genres, sorted, and (I, G) which of them each movie has."""
    lists = movies["genres"].combine_chunks()
    flat = lists.flatten()
    names = pa.array(sorted(pc.unique(flat.drop_null()).to_pylist()), pa.string())
    codes = pc.fill_null(pc.index_in(flat, value_set=names), -1).to_numpy()
    rows = pc.list_parent_indices(lists).to_numpy()
    has = np.zeros((movies.num_rows, len(names)), np.bool_)
    has[rows[codes >= 0], codes[codes >= 0]] = True
    return tuple(names.to_pylist()), has


def best(cost: Scores, k: int = K) -> Ints:
    """(B, k) columns of the lowest costs of each row, the lowest first; -1 for infinity.

    Of equal costs the lower column goes first; which of them are in where not all fit is fixed,
    but isn't said.
    """
    k = min(k, cost.shape[1])
    if k == cost.shape[1]:
        chosen = np.broadcast_to(np.arange(k), cost.shape)
    else:
        chosen = np.sort(np.argpartition(cost, k - 1, axis=1)[:, :k], axis=1)
    costs = np.take_along_axis(cost, chosen, axis=1)
    order = np.argsort(costs, axis=1, kind="stable")
    ranked = np.take_along_axis(chosen, order, axis=1)
    shown = np.take_along_axis(costs, order, axis=1) < np.inf
    return np.where(shown, ranked, -1).astype(np.int64)


def coverage(lists: Ints, n_movies: int) -> Floats:
    """(J,) values whose mean is the share of the catalogue that is in at least one list.

    User u's value is C + (J - 1)(s_u - mean of s) / I, with s_u the movies that only u's list has:
    the jackknife's pseudo-values around C, so that resampling users tells its interval. Resampling
    the lists themselves would not: a user drawn twice shows nothing more, so that all resamples
    cover less than the lists do.

    Args:
        lists: (J, k) of all users.
        n_movies: I, size of the catalogue.
    """
    shown = np.bincount(lists[lists >= 0], minlength=n_movies)
    alone = ((shown[lists] == 1) & (lists >= 0)).sum(axis=1)
    share = np.count_nonzero(shown) / n_movies
    return np.asarray(share + (len(lists) - 1) * (alone - alone.mean()) / n_movies, np.float64)


def _mean(values: Floats, lists: Ints) -> Floats:
    n = (lists >= 0).sum(axis=1)
    total = np.where(lists >= 0, values, 0.0).sum(axis=1)
    means: Floats = np.divide(total, n, out=np.full(len(lists), np.nan), where=n > 0)
    return means


def _distribution(weights: Floats) -> Floats:
    """Rows divided by their sums; NaN where that is 0."""
    total = weights.sum(axis=1, keepdims=True)
    undefined = np.full(weights.shape, np.nan)
    shares: Floats = np.divide(weights, total, out=undefined, where=total > 0)
    return shares
