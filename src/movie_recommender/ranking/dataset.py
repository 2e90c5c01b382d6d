"""Ids to rows: the sparse matrices that training and evaluation work on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.errors import InputDataError

if TYPE_CHECKING:  # it takes 24 MB that a server does without: imported where a matrix is made
    from scipy.sparse import csr_array

_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Dataset:
    """Everything known before one instant, by row.

    Attributes:
        users: feature store's user table, (U) rows sorted by `user_id`.
        movies: feature store's movie table, (I) rows sorted by `movie_id`.
        positives: (U, I) float32, 1 where the user's first positive came before `until`.
        seen: (U, I) float32, 1 where the frame has a row before `until`: a row is dated by the
            first positive, else by the first contact. Holds `positives`.
        until: the instant; nothing at or after it is in the matrices.
        times: (P,) int64 microseconds since 1970, in the order of `positives.indices`: when each
            first positive came; None where a data set has no times.
    """

    users: pa.Table
    movies: pa.Table
    positives: "csr_array"
    seen: "csr_array"
    until: datetime
    times: npt.NDArray[np.int64] | None = None

    @property
    def user_ids(self) -> npt.NDArray[np.int64]:
        """(U,) ids by user row, ascending."""
        return _ids(self.users, "user_id")

    @property
    def movie_ids(self) -> npt.NDArray[np.int64]:
        """(I,) ids by movie row, ascending."""
        return _ids(self.movies, "movie_id")

    def ages_days(self) -> npt.NDArray[np.float64]:
        """(P,) days, above 0, from each positive to `until`, in the order of `positives.indices`.

        Raises:
            ValueError: the data set has no times.
        """
        if self.times is None:
            message = "dataset.times is None: without times nothing is recent"
            raise ValueError(message)
        since = self.until - datetime(1970, 1, 1, tzinfo=UTC)
        ages: npt.NDArray[np.float64] = (since // _MICROSECOND - self.times) / _DAY_US
        return ages

    @cached_property
    def unliked(self) -> "csr_array":
        """(U, I) float32, 1 where the user met the movie before `until` and has no positive.

        Whoever opened, watched or rated a movie chose it: that says much about his taste, too.
        """
        from scipy.sparse import csr_array

        unliked = csr_array(self.seen - self.positives)
        unliked.eliminate_zeros()
        unliked.sort_indices()
        return unliked

    @classmethod
    def before(
        cls, until: datetime, frame: pa.Table, *, users: pa.Table, movies: pa.Table
    ) -> "Dataset":
        """The part of the training `frame` that lies before `until`.

        Raises:
            InputDataError: the frame names a user or movie that its feature table lacks.
        """
        from scipy.sparse import csr_array

        past = frame.filter(pc.less(frame["event_time"], _instant(until)))
        seen = _matrix(past, users, movies)
        liked = past.filter(pc.equal(past["label"], 1))
        places = _matrix(liked, users, movies, values=np.arange(liked.num_rows))
        times = pc.cast(liked["event_time"], pa.int64()).to_numpy()[places.data]
        positives = csr_array(
            (np.ones(places.nnz, np.float32), places.indices, places.indptr), shape=places.shape
        )
        return cls(users, movies, positives, seen, until, times)


def positives_between(
    frame: pa.Table, start: datetime, end: datetime, *, users: pa.Table, movies: pa.Table
) -> "csr_array":
    """(U, I) float32 of the first positives with `start` <= event_time < `end`."""
    window = pc.and_(
        pc.greater_equal(frame["event_time"], _instant(start)),
        pc.less(frame["event_time"], _instant(end)),
    )
    return _matrix(frame.filter(pc.and_(window, pc.equal(frame["label"], 1))), users, movies)


def rows_of(
    ids: npt.NDArray[np.int64], known: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row of each id in the ascending `known`, and whether it is there (else the row is 0)."""
    if known.size == 0:
        return np.zeros(ids.shape, np.int64), np.zeros(ids.shape, np.bool_)
    rows = np.minimum(np.searchsorted(known, ids), known.size - 1)
    found = known[rows] == ids
    return np.where(found, rows, 0), found


def _instant(value: datetime) -> pa.Scalar:
    return pa.scalar(value.astimezone(UTC), pa.timestamp("us", tz="UTC"))


def _ids(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    ids: npt.NDArray[np.int64] = table[column].to_numpy()
    return ids


def _matrix(
    rows: pa.Table,
    users: pa.Table,
    movies: pa.Table,
    *,
    values: npt.NDArray[np.generic] | None = None,
) -> "csr_array":
    """(U, I) of one value a row of `rows`, 1 unless given; a pair has one row at most."""
    from scipy.sparse import csr_array

    user_rows = _rows(rows, users, "user_id")
    movie_rows = _rows(rows, movies, "movie_id")
    if values is None:
        values = np.ones(len(user_rows), np.float32)
    matrix = csr_array((values, (user_rows, movie_rows)), shape=(users.num_rows, movies.num_rows))
    matrix.sort_indices()
    return matrix


def _rows(rows: pa.Table, table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    ids = _ids(rows, column)
    found_rows, found = rows_of(ids, _ids(table, column))
    if not found.all():
        message = (
            f"The training frame names {column} {int(ids[~found][0])}, which the feature store's "
            f"{column.removesuffix('_id')} table lacks. Rebuild it: movie-recommender features"
        )
        raise InputDataError(message)
    return found_rows
