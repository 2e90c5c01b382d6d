"""A bundle of MovieLens 1M's size, its weights as large as trained ones, and its contacts."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import csr_array

from movie_recommender.bundle import write_manifest
from movie_recommender.ranking import Dataset
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import begin, write_bundle

N_USERS, N_MOVIES, N_SEEN = 6_040, 3_706, 1_000_000
DIM = 64
NOW = datetime(2026, 11, 22, tzinfo=UTC)
GENRES = [f"genre {number}" for number in range(18)]


def make_dataset(*, n_users: int = N_USERS, n_movies: int = N_MOVIES, n_seen: int) -> Dataset:
    """Random contacts, popular movies met more often; half of them are likes."""
    rng = np.random.default_rng(0)
    user = rng.integers(n_users, size=n_seen)
    movie = (n_movies * rng.random(n_seen) ** 2).astype(np.int64)
    seen = csr_array((np.ones(n_seen, np.float32), (user, movie)), shape=(n_users, n_movies))
    seen.sum_duplicates()
    seen.data[:] = 1.0
    liked = seen.copy()
    liked.data = (rng.random(seen.nnz) < 0.5).astype(np.float32)
    liked.eliminate_zeros()
    times = rng.integers(1_700_000_000_000_000, 1_750_000_000_000_000, liked.nnz)
    return Dataset(_users(n_users), _movies(n_movies, rng), liked, seen, NOW, times)


def make_bundle(directory: Path, dataset: Dataset, *, seed: int) -> None:
    """An untrained model with a tower that takes part: as large and as slow as a trained one."""
    config = replace(TrainingConfig(), dim=DIM, seed=seed, threads=1)
    fitted = begin(dataset, config)
    with torch.no_grad():
        fitted.model.mlp_out.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(seed))
    write_bundle(directory, fitted)
    manifest(directory)


def manifest(directory: Path) -> None:
    """The manifest of a bundle that no store and no lake is behind."""
    write_manifest(
        directory,
        model_name="movie-recommender",
        training_key="benchmark",
        snapshot_id="benchmark",
        as_of=NOW.isoformat(),
        trained_until=NOW.isoformat(),
        lake_versions={},
        code_version="benchmark",
        config={},
        metrics={},
    )


def _users(n: int) -> pa.Table:
    return pa.table(
        {
            "user_id": np.arange(n),
            "age": pa.array(18 + np.arange(n) % 60, pa.int32()),
            "country": [f"C{row % 12}" for row in range(n)],
            "device": [("tv", "phone", "web")[row % 3] for row in range(n)],
        }
    )


def _movies(n: int, rng: np.random.Generator) -> pa.Table:
    chosen = rng.integers(len(GENRES), size=(n, 2))
    return pa.table(
        {
            "movie_id": np.arange(n),
            "title": [f"Movie {row}" for row in range(n)],
            "genres": [sorted({GENRES[one], GENRES[two]}) for one, two in chosen.tolist()],
            "year": pa.array(1950 + np.arange(n) % 76, pa.int32()),
            "language": ["en" if row % 3 else "fr" for row in range(n)],
        }
    )
