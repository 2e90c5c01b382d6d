"""Scores for any user and movie: the trained NeuMF, and the popularity it has to beat."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from movie_recommender.ranking.dataset import Dataset, rows_of
from movie_recommender.ranking.encoding import Encoding
from movie_recommender.ranking.folded import Folded, tower
from movie_recommender.ranking.history import ALL_ALIKE, Recency, history_matrix

if TYPE_CHECKING:  # see `ranking.dataset`
    from scipy.sparse import csr_array

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

WEIGHTS = "weights.safetensors"
ENCODING = "encoding.json"
CATALOGUE = "catalogue.parquet"
LIKED_BY = "trained_on_likes"
"""Column of the catalogue beside the feature store's: users whose like of it training saw."""

_MLP_CELLS = 250_000
"""Pairs scored by the MLP tower at a time: its hidden layers then stay in the cache."""


class Scorer(Protocol):
    """Anything that ranks the movies of a `Dataset` for its users."""

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32, higher is better, for the users at these (B,) rows of the dataset."""
        ...


class Popularity:
    """Every user gets the same list: movies by their number of positives before the window."""

    def __init__(self, dataset: Dataset) -> None:
        self._counts: Floats = np.asarray(dataset.positives.sum(axis=0), np.float32)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 positives of each movie."""
        return np.broadcast_to(self._counts, (len(user_rows), self._counts.size))


class NeuMF:
    """Neural matrix factorisation (He et al. 2017, equation 12) in NumPy, read from a bundle.

    Users and movies that training never saw have no learned id vector; their side features, and
    a user's history, still give them a real score.

    Args:
        bundle: directory whose manifest was checked (`registry.read_manifest`).
        dataset: whom and what to score; it knows the users' histories and what else they met.
    """

    def __init__(self, bundle: Path, dataset: Dataset) -> None:
        weights = load_file(bundle / WEIGHTS)
        encoding = Encoding(**json.loads((bundle / ENCODING).read_text()))
        trained = pq.read_table(bundle / CATALOGUE, columns=["movie_id", LIKED_BY])
        movie_rows, found = rows_of(dataset.movie_ids, trained["movie_id"].to_numpy())
        movie_known = found & (trained[LIKED_BY].to_numpy()[movie_rows] > 0)
        user_rows, user_known = rows_of(dataset.user_ids, weights["user_ids"])
        self._weights = weights
        folded = Folded.of(weights, encoding, dataset, rows=movie_rows, known=movie_known)
        self._movies, self._bias = folded.vectors, folded.bias  # (I, d), (I,)
        self._movie_half = folded.half(weights)  # (I, h1)
        users = (
            weights["user_embedding"][user_rows] * user_known[:, None]
            + encoding.encode_users(dataset.users) @ weights["user_features"]
        )
        recency = Recency(*weights["history_recency"].tolist())
        liked = history_matrix(dataset.positives, dataset.times, recency)
        users += liked @ self._movies + _log_count(liked) * weights["user_activity"]
        unliked = history_matrix(dataset.unliked, None, ALL_ALIKE)
        users += unliked @ self._movies * weights["unliked_scale"]
        users += _log_count(unliked) * weights["unliked_activity"]
        self._users: Floats = users  # (U, d)

    def vectors(self, user_rows: Rows) -> Floats:
        """(B, d) float32 of users: all that a score takes from them."""
        return self._users[user_rows]

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 log odds of a positive."""
        users = self._users[user_rows]  # (B, d)
        scores = (users * self._weights["gmf_out"]) @ self._movies.T  # (B, I)
        step = max(1, _MLP_CELLS // max(1, len(self._bias)))
        for start in range(0, len(users), step):
            part = slice(start, start + step)
            scores[part] += tower(self._weights, users[part], self._movie_half, scores[part])
        return np.asarray(scores + self._bias, np.float32)


def _log_count(history: "csr_array") -> Floats:
    """(U, 1) of log(1 + movies)."""
    counts: Floats = np.diff(history.indptr)[:, None].astype(np.float32)
    return np.log1p(counts)
