"""The ranking of one who knows the truth: what a simulated world says about itself."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from movie_recommender.errors import InputDataError
from movie_recommender.ranking.dataset import Dataset, rows_of
from movie_recommender.ranking.scorer import Floats, Rows

_REMEDY = "Write the folder again: sim/generate.py truth --date D --out DIR"


class Oracle:
    """Scores by the affinity with which the world's users choose: what no model can beat for long.

    Args:
        dataset: whom and what to score; its events aren't looked at.
        folder: holds users.parquet (user_id int64, vector: list of floats) and movies.parquet
            (movie_id, vector), as `sim/generate.py truth` writes them; the affinity of a user and
            a movie is the inner product of their vectors. Rows in any order.

    Raises:
        InputDataError: a file is missing or isn't like that, or knows nobody of `dataset`.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        users, movies = folder / "users.parquet", folder / "movies.parquet"
        user_vectors, self._user_known = _vectors(users, "user_id", dataset.user_ids)
        movie_vectors, self._movie_known = _vectors(movies, "movie_id", dataset.movie_ids)
        if user_vectors.shape[1] != movie_vectors.shape[1]:
            message = (
                f"{users}: column 'vector' holds {user_vectors.shape[1]} numbers a user, that of "
                f"{movies} {movie_vectors.shape[1]} a movie; they must be as many. {_REMEDY}"
            )
            raise InputDataError(message)
        self._users, self._movies = user_vectors, movie_vectors  # (U, d), (I, d)

    def scores(self, user_rows: Rows) -> Floats:
        """(B, I) float32 affinity; -inf where the truth lacks the user or the movie."""
        scores = self._users[user_rows] @ self._movies.T  # (B, I)
        known = self._user_known[user_rows, None] & self._movie_known
        return np.where(known, scores, np.float32(-np.inf))

    def knows(self, user_rows: Rows, movie_rows: Rows) -> npt.NDArray[np.bool_]:
        """(P,) whether the truth has both the user and the movie of each pair."""
        return self._user_known[user_rows] & self._movie_known[movie_rows]


def _vectors(
    path: Path, column: str, wanted: npt.NDArray[np.int64]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Vectors (N, d) of the wanted ids, zeros where the file lacks one, and whether it has it."""
    ids, vectors = _read(path, column)
    order = np.argsort(ids, kind="stable")
    rows, known = rows_of(wanted, ids[order])
    if wanted.size and not known.any():
        message = (
            f"{path}: none of the feature store's {len(wanted)} values of {column!r} is among its "
            f"{len(ids)}: the truth of another world? {_REMEDY}, with the seed and the sizes of "
            "the world whose events were extracted"
        )
        raise InputDataError(message)
    return vectors[order][rows] * known[:, None], known


def _read(path: Path, column: str) -> tuple[npt.NDArray[np.int64], Floats]:
    """Ids (N,) and vectors (N, d) of a file that keeps the contract."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        message = f"{path} can't be read as Parquet ({error}). {_REMEDY}"
        raise InputDataError(message) from error
    for name in (column, "vector"):
        if name not in table.column_names:
            raise _breach(path, name, f"is missing among {table.column_names}")
    ids, lists = table[column].combine_chunks(), table["vector"].combine_chunks()
    if ids.type != pa.int64():
        raise _breach(path, column, f"is {ids.type}, not int64")
    if ids.null_count or len(pc.unique(ids)) != len(ids) or len(ids) == 0:
        raise _breach(path, column, "is empty, or has a null or the same id twice")
    return ids.to_numpy(), _matrix(path, lists)


def _matrix(path: Path, lists: pa.Array) -> Floats:
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(lists.type) for is_kind in kinds) or not pa.types.is_floating(
        lists.type.value_type
    ):
        raise _breach(path, "vector", f"is {lists.type}, not a list of floats")
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if lists.null_count or len(lengths) != 1 or lengths[0] == 0:
        raise _breach(path, "vector", f"has lists of {lengths[:5]} numbers, not of one length")
    values = lists.flatten().cast(pa.float32())
    numbers: Floats = values.to_numpy(zero_copy_only=False).reshape(len(lists), lengths[0])
    if not np.isfinite(numbers).all():
        raise _breach(path, "vector", "has a null, NaN or infinite number")
    return numbers


def _breach(path: Path, column: str, what: str) -> InputDataError:
    return InputDataError(f"{path}: column {column!r} {what}. {_REMEDY}")
