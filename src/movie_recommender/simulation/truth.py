"""What the world knows and a model must find out: who would like what on a date."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from movie_recommender.errors import InputDataError, StorageError
from movie_recommender.simulation.audience import audience
from movie_recommender.simulation.catalogue import catalogue
from movie_recommender.simulation.ids import Floats, Ints
from movie_recommender.simulation.names import LANGUAGES
from movie_recommender.simulation.world import LANGUAGE_BONUS, QUALITY_WEIGHT, World


@dataclass(frozen=True)
class Truth:
    """Vectors whose inner product is the affinity by which the world's users choose.

    Attributes:
        user_id: (U,) int64, ascending.
        user_vector: (U, 25) float32: taste, language of home one-hot, 1.
        movie_id: (I,) int64, ascending.
        movie_vector: (I, 25) float32: traits, bonus of its language one-hot, weighted quality.
    """

    user_id: Ints
    user_vector: Floats
    movie_id: Ints
    movie_vector: Floats


def truth(world: World, day: date) -> Truth:
    """The truth about everybody who is present on `day`.

    Raises:
        InputDataError: the world hasn't begun on `day`.
    """
    users = audience(world.users.scope, world.users.present(day).ids, day)
    movies = catalogue(world.movies, day)
    languages = np.eye(len(LANGUAGES), dtype=np.float32)
    ones = np.ones((len(users.ids), 1), np.float32)
    quality = np.float32(QUALITY_WEIGHT) * movies.quality[:, None]
    bonus = np.float32(LANGUAGE_BONUS) * languages[movies.language]
    user_vector = np.concatenate([users.taste, languages[users.language], ones], axis=1)
    movie_vector = np.concatenate([movies.traits, bonus, quality], axis=1)
    by_user, by_movie = np.argsort(users.ids), np.argsort(movies.ids)
    return Truth(
        users.ids[by_user], user_vector[by_user], movies.ids[by_movie], movie_vector[by_movie]
    )


def oracle_ranking(truth: Truth, user_id: int, k: int) -> pa.Table:
    """The `k` movies that the user likes best: rank from 1, movie_id, affinity.

    Raises:
        InputDataError: nobody of that id is present.
    """
    row = int(np.searchsorted(truth.user_id, user_id))
    if row == len(truth.user_id) or truth.user_id[row] != user_id:
        message = (
            f"User {user_id} isn't in the world on that date: {len(truth.user_id)} users with ids "
            f"from {truth.user_id[0]} to {truth.user_id[-1]} are. Choose one from users.parquet."
        )
        raise InputDataError(message)
    affinity = truth.movie_vector @ truth.user_vector[row]
    best = np.argsort(-affinity, kind="stable")[:k]
    return pa.table(
        {
            "rank": pa.array(np.arange(1, len(best) + 1)),
            "movie_id": pa.array(truth.movie_id[best]),
            "affinity": pa.array(affinity[best]),
        }
    )


def write_truth(truth: Truth, directory: Path) -> tuple[Path, Path]:
    """Write users.parquet and movies.parquet into `directory`, each whole or not at all.

    Columns: user_id or movie_id, and vector, a list of 25 float32. A file that is there is
    replaced.

    Raises:
        StorageError: the disk refused.
    """
    users, movies = directory / "users.parquet", directory / "movies.parquet"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(users, "user_id", truth.user_id, truth.user_vector)
        _write(movies, "movie_id", truth.movie_id, truth.movie_vector)
    except OSError as error:
        message = (
            f"Truth of the world, {directory}: {error}. Free space or grant access, run again."
        )
        raise StorageError(message) from error
    return users, movies


def _write(path: Path, name: str, ids: Ints, vectors: Floats) -> None:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(pa.table({name: pa.array(ids), "vector": flat}), unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
