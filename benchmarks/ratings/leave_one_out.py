"""Leave-one-out after He et al. 2017, section 4.1: a positive of each user and 99 unseen movies."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.task import N_NEGATIVES
from movie_recommender.ranking import Dataset
from movie_recommender.ranking.dataset import rows_of
from ratings.case import Case, Tables

Ints = npt.NDArray[np.int64]


def case(name: str, train: Ints, test: Ints, negatives: Ints, shape: tuple[int, int]) -> Case:
    """Pairs of user and movie rows as a case; nothing else is known of anybody.

    Args:
        name: of the data set.
        train: (P, 2) positives that may be learned from.
        test: (T, 2) positives to rank, at most one a user.
        negatives: (T, 99) movies that each of them competes with.
        shape: users and movies.
    """
    learned = dataset(matrix(train, shape))
    order = np.argsort(test[:, 0], kind="stable")
    user, movie = test[order, 0], test[order, 1]
    hidden = matrix(np.concatenate([train, test]), shape)
    task = protocol.Task(learned, user, movie, negatives[order], hidden)
    conditions = (
        f"leave-one-out, {negatives.shape[1]} negatives given; {shape[0]:,} users, {shape[1]:,} "
        f"movies, {learned.positives.nnz:,} positives learned, {len(user):,} to rank"
    )
    return Case(name, task, conditions)


def validation(known: Case, *, seed: int) -> Case:
    """Without the test: of each user with two positives or more, one is hidden by chance.

    Of the test it is known only that its positives are no negatives.
    """
    positives = known.learned.positives
    parts = hide_one(positives, known.task.hidden, np.random.default_rng(seed))
    cut = case(known.name, *parts, positives.shape)
    return replace(cut, conditions=f"validation: {cut.conditions}")


def hide_one(
    positives: csr_array, hidden: csr_array, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """(P, 2) training pairs, (T, 2) hidden ones and their (T, 99) negatives.

    One positive is hidden by chance of each user with two or more.

    Args:
        positives: (U, I).
        hidden: (U, I) what is no negative; holds `positives`.
        rng: source of what is chosen.

    Raises:
        ValueError: a row of `hidden` leaves fewer than 99 movies.
    """
    pairs = np.stack(positives.nonzero(), axis=1).astype(np.int64)  # (P, 2)
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    chosen = order[_last_of_each(pairs[order, 0])]
    chosen = chosen[np.diff(positives.indptr)[pairs[chosen, 0]] >= 2]
    negatives = draw_negatives(hidden[pairs[chosen, 0]], rng)
    return np.delete(pairs, chosen, axis=0), pairs[chosen], negatives


def hide_last(tables: Tables, *, seed: int) -> tuple[Ints, Ints, Ints]:
    """(P, 4) training rows, (T, 4) test rows: user, movie, 1, seconds; and (T, 99) negatives.

    As the paper did it: of each user with two positives or more the newest one is hidden, of those
    at the same time the one with the highest movie id; the negatives are drawn, each once, among
    the movies that the user had no contact with. Users and movies count from 0 in the order of
    their ids, users with fewer positives left out.

    Raises:
        ValueError: a user had contact with all but fewer than 99 movies.
    """
    frame = tables.frame.sort_by([("event_time", "ascending"), ("movie_id", "ascending")])
    user, _ = rows_of(frame["user_id"].to_numpy(), tables.users["user_id"].to_numpy())
    movie, _ = rows_of(frame["movie_id"].to_numpy(), tables.movies["movie_id"].to_numpy())
    seconds = frame["event_time"].cast(pa.int64()).to_numpy() // 1_000_000
    shape = (tables.users.num_rows, tables.movies.num_rows)
    seen = matrix(np.stack([user, movie], axis=1), shape)
    liked = frame["label"].to_numpy() == 1
    kept = np.flatnonzero(np.bincount(user[liked], minlength=shape[0]) >= 2)
    liked &= np.isin(user, kept)
    rows = np.stack([user, movie, np.ones_like(user), seconds], axis=1)[liked]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    last = _last_of_each(rows[:, 0])
    negatives = draw_negatives(seen[rows[last, 0]], np.random.default_rng(seed))
    rows[:, 0] = np.searchsorted(kept, rows[:, 0])
    return rows[~last], rows[last], negatives


def draw_negatives(seen: csr_array, rng: np.random.Generator) -> Ints:
    """(T, 99) different movies outside each row of `seen` (T, I).

    Raises:
        ValueError: a row leaves fewer than 99 movies.
    """
    negatives = np.empty((seen.shape[0], N_NEGATIVES), np.int64)
    for row in range(len(negatives)):
        known = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
        unseen = np.setdiff1d(np.arange(seen.shape[1]), known, assume_unique=True)
        negatives[row] = rng.choice(unseen, N_NEGATIVES, replace=False)
    return negatives


def matrix(pairs: Ints, shape: tuple[int, int]) -> csr_array:
    """(U, I) float32, 1 where there is a pair."""
    ones = np.ones(len(pairs), np.float32)
    matrix = csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape)
    matrix.sum_duplicates()
    matrix.sort_indices()
    matrix.data[:] = 1.0
    return matrix


def _last_of_each(sorted_values: Ints) -> npt.NDArray[np.bool_]:
    """(N,) whether a value is the last of its kind."""
    return np.append(np.diff(sorted_values) != 0, np.ones(min(1, len(sorted_values)), np.bool_))


def dataset(positives: csr_array) -> Dataset:
    """Positives of users and movies of whom nothing else is known, at no known time."""
    n_users, n_movies = positives.shape
    users = {
        "user_id": pa.array(np.arange(n_users)),
        "age": pa.nulls(n_users, pa.int32()),
        "country": pa.nulls(n_users, pa.string()),
        "device": pa.nulls(n_users, pa.string()),
    }
    movies = {
        "movie_id": pa.array(np.arange(n_movies)),
        "title": pa.array([f"movie {row}" for row in range(n_movies)]),
        "genres": pa.array([[]] * n_movies, pa.list_(pa.string())),
        "year": pa.nulls(n_movies, pa.int32()),
        "language": pa.nulls(n_movies, pa.string()),
    }
    nowhen = datetime(1970, 1, 1, tzinfo=UTC)
    return Dataset(pa.table(users), pa.table(movies), positives, positives, nowhen, times=None)
