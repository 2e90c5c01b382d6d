"""Where a training begins: from the positives alone, or from an earlier model."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from movie_recommender.ranking import Dataset, Encoding
from movie_recommender.ranking.history import history_matrix
from movie_recommender.training.blocks import target_weights
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.ncf import NeuMF, Sizes


def initial_model(dataset: Dataset, encoding: Encoding, config: TrainingConfig) -> NeuMF:
    """A model started from the positives' truncated SVD and each movie's log odds.

    Args:
        dataset: what to learn from.
        encoding: of the side features.
        config: sizes and seed; there are at most as many dimensions as movies.
    """
    user_features = torch.from_numpy(encoding.encode_users(dataset.users))
    movie_features = torch.from_numpy(encoding.encode_movies(dataset.movies))
    n_users, n_movies = dataset.positives.shape
    dim = min(config.dim, n_movies)
    sizes = Sizes(n_users, n_movies, user_features.shape[1], movie_features.shape[1], dim)
    model = NeuMF(sizes, user_features, movie_features)
    model.reset(
        torch.Generator().manual_seed(config.seed),
        movie_vectors=torch.from_numpy(_movie_vectors(dataset.positives, dim, config.seed)),
        bias=torch.from_numpy(_log_odds(dataset, config)),
    )
    return model


def _log_odds(dataset: Dataset, config: TrainingConfig) -> npt.NDArray[np.float32]:
    """(I,) of a movie being liked by a user, recent likes counting more as they do as targets."""
    positives = dataset.positives
    weights = target_weights(dataset, config)
    liked = np.bincount(positives.indices, weights, minlength=positives.shape[1])
    n_users = max(1, int(np.count_nonzero(np.diff(positives.indptr))))
    share = (liked + 0.5) / (n_users + 1.0)
    return np.asarray(np.log(share / (1.0 - share)), np.float32)


def _movie_vectors(positives: csr_array, dim: int, seed: int) -> npt.NDArray[np.float32]:
    """(I, d): right singular vectors of the row-normalised matrix, by root of sigma."""
    vectors = np.zeros((positives.shape[1], dim), np.float32)
    rank = min(dim, min(positives.shape) - 1)
    if rank > 0 and positives.nnz > 0:
        rows = history_matrix(positives, None, half_life=np.inf)
        _, sigma, right = randomized_svd(rows, rank, n_iter=4, random_state=seed % 2**32)
        vectors[:, :rank] = (right * np.sqrt(sigma)[:, None]).T
    return vectors
