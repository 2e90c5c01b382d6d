from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.ranking import Dataset
from movie_recommender.ranking.dataset import positives_between, rows_of
from tests.unit.worlds import END, frame_table, movies_table, users_table

ROWS = [(0, 1, 5.0, 1), (0, 2, 4.0, 0), (1, 2, 3.0, 1), (2, 0, 1.0, 1)]


def test_only_what_came_before_is_known() -> None:
    dataset = Dataset.before(
        END - timedelta(days=3), frame_table(ROWS), users=users_table(3), movies=movies_table(4)
    )
    assert dataset.positives.toarray().tolist() == [[0, 1, 0, 0], [0] * 4, [0] * 4]
    assert dataset.seen.toarray().tolist() == [[0, 1, 1, 0], [0] * 4, [0] * 4]
    unliked = dataset.seen.toarray() - dataset.positives.toarray()
    assert dataset.unliked.toarray().tolist() == unliked.tolist()
    assert dataset.unliked.nnz == unliked.sum()


def test_times_go_with_the_positives() -> None:
    rows = [(1, 3, 9.0, 1), *ROWS, (1, 0, 8.0, 1)]
    dataset = Dataset.before(END, frame_table(rows), users=users_table(3), movies=movies_table(4))
    user, movie = dataset.positives.nonzero()
    assert dataset.times is not None
    ages = [(END.timestamp() - t / 1e6) / 86400 for t in dataset.times]
    assert list(zip(user.tolist(), movie.tolist(), ages, strict=True)) == [
        (0, 1, 5.0), (1, 0, 8.0), (1, 2, 3.0), (1, 3, 9.0), (2, 0, 1.0)
    ]  # fmt: skip


def test_positives_between_includes_the_start_only() -> None:
    window = positives_between(
        frame_table(ROWS),
        END - timedelta(days=5),
        END - timedelta(days=3),
        users=users_table(3),
        movies=movies_table(4),
    )
    assert window.toarray().tolist() == [[0, 1, 0, 0], [0] * 4, [0] * 4]


def test_rows_of_says_what_is_unknown() -> None:
    known = np.array([3, 10, 17], np.int64)
    rows, found = rows_of(np.array([17, 4, 99, 3], np.int64), known)
    assert rows.tolist() == [2, 0, 0, 0]
    assert found.tolist() == [True, False, False, True]
    rows, found = rows_of(known, np.array([], np.int64))
    assert not found.any()


def test_an_id_without_features_is_named() -> None:
    with pytest.raises(InputDataError, match="movie_id 17, which the feature store's movie table"):
        Dataset.before(END, frame_table(ROWS), users=users_table(3), movies=movies_table(2))
