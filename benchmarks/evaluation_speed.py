"""How long judging one model takes on data of MovieLens 1M's size, every user judged.

The scorer is the product of two matrices, so that what is measured is the evaluation: sampled and
full-catalogue metrics, lists, and their intervals.

    make bench NAME=evaluation_speed
"""

import time
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from claims import Claim, note
from scipy.sparse import csr_array

from movie_recommender.evaluation.contest import Contest
from movie_recommender.evaluation.protocol import judge
from movie_recommender.evaluation.task import N_NEGATIVES, Task
from movie_recommender.ranking import Dataset

N_USERS, N_MOVIES, N_SEEN, DIM = 6_040, 3_706, 1_000_000, 64
POSITIVES_A_USER = (1, 17)
"""Leave-one-out, and a tenth of what was seen in the window."""
LIMIT_S = 3.0
GENRES = [f"genre {number}" for number in range(18)]
ROUNDS = 3


class Product:
    """Inner products of random vectors."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._users = rng.normal(size=(N_USERS, DIM)).astype(np.float32)
        self._movies = rng.normal(size=(N_MOVIES, DIM)).astype(np.float32)

    def scores(self, user_rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(B, I)."""
        return self._users[user_rows] @ self._movies.T


def main() -> None:
    """Measure and print the claims."""
    rng = np.random.default_rng(0)
    scorer = Product(rng)
    for n_each in POSITIVES_A_USER:
        task = made_up(rng, n_each)
        judge(scorer, task)
        judging, standing = min(measured(scorer, task) for _ in range(ROUNDS))
        note(
            f"  {n_each} positives a user: judged in {judging:.2f} s, intervals in {standing:.2f} s"
        )
        conditions = (
            f"{N_USERS:,} users x {N_MOVIES:,} movies, {task.dataset.seen.nnz:,} seen, "
            f"{len(task.user):,} positives; best of {ROUNDS}"
        )
        for claim, seconds in (
            ("judging one model", judging),
            ("judging one model, with intervals and slices", standing),
        ):
            named = f"{claim}, {n_each} positives a user"
            Claim(named, round(seconds, 3), "s", "limit", LIMIT_S, 1, True, conditions).say()


def made_up(rng: np.random.Generator, n_each: int) -> Task:
    """Movies by a power law; each user's positives, and negatives, among what they haven't seen."""
    chance = 1 / np.arange(1, N_MOVIES + 1) ** 0.5
    score = rng.random((N_USERS, N_MOVIES)) ** (1 / chance)  # the largest are a weighted sample
    order = np.argsort(-score, axis=1)
    n_seen = N_SEEN // N_USERS
    seen = matrix(order[:, :n_seen])
    positives = np.sort(order[:, n_seen : n_seen + n_each], axis=1)
    unseen = order[:, n_seen + n_each :]
    user = np.repeat(np.arange(N_USERS), n_each)
    drawn = rng.integers(unseen.shape[1], size=(len(user), N_NEGATIVES))
    genres = [list(rng.choice(GENRES, rng.integers(1, 4), replace=False)) for _ in range(N_MOVIES)]
    movies = pa.table(
        {"movie_id": np.arange(N_MOVIES), "genres": pa.array(genres, pa.list_(pa.string()))}
    )
    users = pa.table({"user_id": np.arange(N_USERS)})
    dataset = Dataset(users, movies, seen, seen, datetime(2026, 11, 22, tzinfo=UTC))
    hidden = matrix(order[:, : n_seen + n_each])
    return Task(dataset, user, positives.ravel(), unseen[user[:, None], drawn], hidden)


def matrix(columns: npt.NDArray[np.int64]) -> csr_array:
    """(U, I), 1 at each user's columns."""
    rows = np.repeat(np.arange(N_USERS), columns.shape[1])
    values = np.ones(columns.size, np.float32)
    found = csr_array((values, (rows, columns.ravel())), shape=(N_USERS, N_MOVIES))
    found.sort_indices()
    return found


def measured(scorer: Product, task: Task) -> tuple[float, float]:
    """Seconds of the judging, and of it together with intervals and slices."""
    start = time.perf_counter()
    judged = judge(scorer, task)
    judging = time.perf_counter() - start
    contest = Contest(task, {"model": judged}, seed=0)
    contest.metrics("model")
    contest.by_slice("model")
    return judging, time.perf_counter() - start


if __name__ == "__main__":
    main()
