from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.ranking import Dataset, Oracle
from movie_recommender.simulation import make_world, truth
from movie_recommender.simulation.truth import oracle_ranking, write_truth
from tests.unit.worlds import END, frame_table, movies_table, users_table

VECTOR = pa.list_(pa.float32(), 2)


def dataset(n_users: int = 3, n_movies: int = 4) -> Dataset:
    users, movies = users_table(n_users), movies_table(n_movies)
    return Dataset.before(END, frame_table([]), users=users, movies=movies)


def table(name: str, ids: list[int], vectors: object, kind: pa.DataType = VECTOR) -> pa.Table:
    return pa.table({name: pa.array(ids, pa.int64()), "vector": pa.array(vectors, kind)})


USERS = table("user_id", [1, 11, 21], [[1, 0], [0, 1], [1, 1]])
MOVIES = table("movie_id", [3, 10, 17, 24], [[1, 0], [0, 2], [3, 4], [-1, 0]])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(users: pa.Table = USERS, movies: pa.Table = MOVIES) -> Path:
        pq.write_table(users, tmp_path / "users.parquet")
        pq.write_table(movies, tmp_path / "movies.parquet")
        return tmp_path

    return write


def test_scores_are_inner_products(write: Callable[..., Path]) -> None:
    scores = Oracle(dataset(), write()).scores(np.array([2, 0]))
    assert scores.dtype == np.float32
    assert scores.tolist() == [[1, 2, 7, -1], [1, 0, 3, -1]]


def test_rows_in_any_order_and_lists_of_any_kind_and_width(write: Callable[..., Path]) -> None:
    expected = Oracle(dataset(), write()).scores(np.arange(3))
    wide = pa.list_(pa.float64())
    users = table("user_id", [21, 1, 11], [[1, 1], [1, 0], [0, 1]], wide)
    movies = MOVIES.take([3, 0, 2, 1])
    assert (Oracle(dataset(), write(users, movies)).scores(np.arange(3)) == expected).all()
    parts = pa.concat_tables([MOVIES.slice(2), MOVIES.slice(0, 2)])
    assert (Oracle(dataset(), write(USERS, parts)).scores(np.arange(3)) == expected).all()


def test_whom_the_truth_lacks_comes_last(write: Callable[..., Path]) -> None:
    folder = write(USERS.slice(0, 2), MOVIES.take([0, 2, 3]))
    oracle = Oracle(dataset(), folder)
    lowest = -np.inf
    assert oracle.scores(np.arange(3)).tolist() == [
        [1, lowest, 3, -1],
        [0, lowest, 4, 0],
        [lowest] * 4,
    ]
    knows = oracle.knows(np.array([0, 0, 2]), np.array([0, 1, 0]))
    assert knows.tolist() == [True, False, False]


def test_it_reads_what_the_simulator_writes(tmp_path: Path) -> None:
    world, day = make_world(5, 40, 30), date(2026, 6, 1)
    known = truth(world, day)
    write_truth(known, tmp_path)
    users = pa.table({"user_id": known.user_id})
    movies = pa.table({"movie_id": known.movie_id})
    frame = frame_table([])
    scores = Oracle(Dataset.before(END, frame, users=users, movies=movies), tmp_path).scores(
        np.arange(40)
    )
    for row in (0, 17, 39):
        ranking = oracle_ranking(known, int(known.user_id[row]), 30)
        order = known.movie_id[np.argsort(-scores[row], kind="stable")]
        assert order.tolist() == ranking["movie_id"].to_pylist()


BREACHES = {
    "no vector": (USERS.select(["user_id"]), r"column 'vector' is missing among \['user_id'\]"),
    "no id": (USERS.rename_columns(["id", "vector"]), "column 'user_id' is missing"),
    "ids as text": (
        USERS.set_column(0, "user_id", pa.array(["1", "11", "21"])),
        "column 'user_id' is string, not int64",
    ),
    "null id": (
        USERS.set_column(0, "user_id", pa.array([1, None, 21], pa.int64())),
        "column 'user_id' is empty, or has a null or the same id twice",
    ),
    "twice": (pa.concat_tables([USERS, USERS]), "the same id twice"),
    "empty": (USERS.slice(0, 0), "column 'user_id' is empty"),
    "numbers": (USERS.set_column(1, "vector", pa.array([1.0, 2, 3])), "is double, not a list"),
    "whole": (
        table("user_id", [1], [[1, 2]], pa.list_(pa.int32())),
        r"is list<.*int32>, not a list of floats",
    ),
    "lengths": (
        table("user_id", [1, 11], [[1, 2], [1]], pa.list_(pa.float32())),
        r"has lists of \[2, 1\] numbers",
    ),
    "nothing": (table("user_id", [1], [[]], pa.list_(pa.float32())), r"lists of \[0\] numbers"),
    "null vector": (
        table("user_id", [1, 11], [[1, 2], None], pa.list_(pa.float32())),
        r"has lists of \[2, None\] numbers, not of one length",
    ),
    "null number": (table("user_id", [1], [[1, None]]), "has a null, NaN or infinite number"),
    "NaN": (table("user_id", [1], [[1, float("nan")]]), "has a null, NaN or infinite number"),
    "other world": (
        table("user_id", [2, 12], [[1, 2], [3, 4]]),
        "none of the feature store's 3 values of 'user_id' is among its 2",
    ),
    "other width": (
        table("user_id", [1], [[1, 2, 3]], pa.list_(pa.float32())),
        "holds 3 numbers a user, that of .*movies.parquet 2 a movie",
    ),
}


@pytest.mark.parametrize(("users", "expected"), BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_names_file_column_and_remedy(
    write: Callable[..., Path], users: pa.Table, expected: str
) -> None:
    with pytest.raises(InputDataError, match=expected) as caught:
        Oracle(dataset(), write(users))
    assert "users.parquet: " in str(caught.value)
    assert "sim/generate.py truth --date D --out DIR" in str(caught.value)


def test_a_missing_file_and_one_that_is_no_parquet(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputDataError, match=r"users\.parquet can't be read .*sim/generate\.py"):
        Oracle(dataset(), tmp_path / "nowhere")
    folder = write()
    (folder / "movies.parquet").write_text("movies")
    with pytest.raises(InputDataError, match=r"movies\.parquet can't be read"):
        Oracle(dataset(), folder)


def test_a_store_without_users_needs_no_truth_about_them(write: Callable[..., Path]) -> None:
    oracle = Oracle(dataset(0, 4), write())
    assert oracle.scores(np.array([], np.int64)).shape == (0, 4)
