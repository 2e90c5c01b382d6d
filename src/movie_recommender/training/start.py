"""Where a training begins: from the positives alone, or from an earlier model."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from safetensors.numpy import load_file
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from movie_recommender.ranking import Dataset, Encoding
from movie_recommender.ranking.dataset import rows_of
from movie_recommender.ranking.history import ALL_ALIKE, history_matrix
from movie_recommender.ranking.scorer import CATALOGUE, ENCODING, WEIGHTS
from movie_recommender.training.blocks import target_weights
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.ncf import NeuMF, Sizes

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_OF_NO_ROW = (
    "user_activity",
    "bias",
    "gmf_out",
    "unliked_scale",
    "unliked_activity",
    "mlp_user",
    "mlp_movie",
    "mlp_gmf",
    "mlp_popularity",
    "mlp_bias",
    "mlp_hidden",
    "mlp_hidden_bias",
    "mlp_out",
)
"""Weights that keep their shape however many users, movies and features there are."""


@dataclass(frozen=True)
class Earlier:
    """A trained model, as its bundle has it.

    Attributes:
        weights: float32 by the names in the bundle.
        user_ids: (U,) by row of its user tables, ascending.
        movie_ids: (I,) by row of its movie tables, ascending.
        encoding: of its side features.
    """

    weights: dict[str, Floats]
    user_ids: Ints
    movie_ids: Ints
    encoding: Encoding

    @classmethod
    def read(cls, bundle: Path) -> "Earlier":
        """The model in a folder whose manifest was checked (`registry.read_manifest`)."""
        catalogue = pq.read_table(bundle / CATALOGUE, columns=["movie_id"])
        weights = load_file(bundle / WEIGHTS)
        return cls(
            user_ids=weights.pop("user_ids"),
            weights=weights,
            movie_ids=catalogue["movie_id"].to_numpy(),
            encoding=Encoding(**json.loads((bundle / ENCODING).read_text())),
        )

    def fits(self, config: TrainingConfig) -> bool:
        """Whether a training with these constants can go on from it."""
        return self.weights["gmf_out"].shape == (config.dim,)


def initial_model(dataset: Dataset, encoding: Encoding, config: TrainingConfig) -> NeuMF:
    """A model started from the positives' truncated SVD and each movie's log odds.

    Args:
        dataset: what to learn from.
        encoding: of the side features.
        config: sizes and seed; its `dim` is that of the data.
    """
    vectors = _movie_vectors(dataset.positives, config.dim, config.seed)
    return _model(dataset, encoding, config, vectors)


def grown_model(
    dataset: Dataset, encoding: Encoding, config: TrainingConfig, earlier: Earlier
) -> NeuMF:
    """An earlier model, its tables grown for the users and movies that have come since.

    Who is new starts without an id vector, a new movie also with the log odds of its likes; a new
    feature starts small and random; who or what is gone is left out.

    Args:
        dataset: what to learn from.
        encoding: grown from the earlier one (`Encoding.fit`).
        config: constants that it `fits`.
        earlier: the model.
    """
    no_vectors = np.zeros((dataset.movies.num_rows, config.dim), np.float32)
    model = _model(dataset, encoding, config, no_vectors)
    was, old = earlier.weights, earlier.encoding
    of_user = _places(dataset.user_ids, earlier.user_ids)
    of_movie = _places(dataset.movie_ids, earlier.movie_ids)
    of_user_feature = _named_places(encoding.user_features, old.user_features)
    of_movie_feature = _named_places(encoding.movie_features, old.movie_features)
    with torch.no_grad():
        model.user_embedding.zero_()
        model.movie_bias.add_(model.bias - float(was["bias"]))  # the log odds stay what they are
        _put(model.user_embedding, was["user_embedding"], of_user)
        _put(model.movie_embedding, was["movie_embedding"], of_movie)
        _put(model.movie_bias, was["movie_bias"], of_movie)
        _put(model.user_side, was["user_features"], of_user_feature)
        _put(model.movie_side, was["movie_features"], of_movie_feature)
        _put(model.movie_side_bias, was["movie_feature_bias"], of_movie_feature)
        for name in _OF_NO_ROW:
            getattr(model, name).copy_(torch.from_numpy(was[name]))
    return model


def _model(
    dataset: Dataset, encoding: Encoding, config: TrainingConfig, movie_vectors: Floats
) -> NeuMF:
    user_features = torch.from_numpy(encoding.encode_users(dataset.users))
    movie_features = torch.from_numpy(encoding.encode_movies(dataset.movies, now=dataset.until))
    n_users, n_movies = dataset.positives.shape
    dim = movie_vectors.shape[1]
    sizes = Sizes(n_users, n_movies, user_features.shape[1], movie_features.shape[1], dim)
    model = NeuMF(sizes, user_features, movie_features)
    model.reset(
        torch.Generator().manual_seed(config.seed),
        movie_vectors=torch.from_numpy(movie_vectors),
        bias=torch.from_numpy(_log_odds(dataset, config)),
    )
    return model


def _log_odds(dataset: Dataset, config: TrainingConfig) -> Floats:
    """(I,) of a movie being liked by a user, recent likes counting more as they do as targets."""
    positives = dataset.positives
    weights = target_weights(dataset, config)
    liked = np.bincount(positives.indices, weights, minlength=positives.shape[1])
    n_users = max(1, int(np.count_nonzero(np.diff(positives.indptr))))
    # A few likes of today can weigh more than all users' of the past; odds want a share below 1.
    share = np.minimum((liked + 0.5) / (n_users + 1.0), 0.95)
    return np.asarray(np.log(share / (1.0 - share)), np.float32)


def _movie_vectors(positives: csr_array, dim: int, seed: int) -> Floats:
    """(I, d): right singular vectors of the row-normalised matrix, by root of sigma."""
    vectors = np.zeros((positives.shape[1], dim), np.float32)
    rank = min(dim, min(positives.shape) - 1)
    if rank > 0 and positives.nnz > 0:
        rows = history_matrix(positives, None, ALL_ALIKE)
        _, sigma, right = randomized_svd(rows, rank, n_iter=4, random_state=seed % 2**32)
        vectors[:, :rank] = (right * np.sqrt(sigma)[:, None]).T
    return vectors


def _places(ids: Ints, known: Ints) -> tuple[Ints, Ints]:
    """Rows of `ids` that `known` (ascending) has, and where it has them."""
    rows, found = rows_of(ids, known)
    return np.flatnonzero(found), rows[found]


def _named_places(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[Ints, Ints]:
    where = {name: place for place, name in enumerate(known)}
    found = [(row, where[name]) for row, name in enumerate(names) if name in where]
    rows, places = zip(*found, strict=True) if found else ((), ())
    return np.array(rows, np.int64), np.array(places, np.int64)


def _put(weight: Tensor, values: Floats, places: tuple[Ints, Ints]) -> None:
    rows, old_rows = places
    weight[torch.from_numpy(rows)] = torch.from_numpy(values[old_rows])
