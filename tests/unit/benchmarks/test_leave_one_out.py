from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ratings import leave_one_out, ncf_files
from ratings.case import Tables

from movie_recommender.errors import InputDataError
from tests.unit.worlds import END, frame_table, movies_table, users_table

N_USERS, N_MOVIES = 12, 130


def tables() -> Tables:
    """User u likes the movies u to u + 4, one after the other, and met u + 5 last of all."""
    rows = [
        (user, user + step, 10.0 - step, int(step < 5)) for user in range(10) for step in range(6)
    ]
    rows.append((10, 7, 3.0, 1))  # one like: nothing would be left to learn from
    frame = frame_table(rows)
    return Tables(frame, users_table(N_USERS), movies_table(N_MOVIES), END)


def test_the_newest_positive_is_hidden_and_negatives_are_unseen() -> None:
    train, test, negatives = leave_one_out.hide_last(tables(), seed=0)
    assert test[:, :2].tolist() == [[user, user + 4] for user in range(10)]
    assert train[:, :2].tolist() == [[user, user + step] for user in range(10) for step in range(4)]
    newest = END - timedelta(days=6)
    assert (test[:, 3] == newest.timestamp()).all()
    assert negatives.shape == (10, 99)
    for user, row in enumerate(negatives):
        assert len(set(row)) == 99
        assert not set(row) & set(range(user, user + 6))


def test_of_positives_at_the_same_time_the_higher_movie_is_the_newest() -> None:
    frame = frame_table([(0, 9, 1.0, 1), (0, 4, 1.0, 1), (0, 2, 5.0, 1)])
    alike = Tables(frame, users_table(1), movies_table(N_MOVIES), END)
    assert leave_one_out.hide_last(alike, seed=0)[1][0, :2].tolist() == [0, 9]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    train, test, negatives = leave_one_out.hide_last(tables(), seed=0)
    shuffled = np.random.default_rng(0).permutation(len(test))
    ncf_files.write(tmp_path / "new", "tiny", train, test[shuffled], negatives[shuffled])
    assert ncf_files.is_ncf(tmp_path / "new")
    case = ncf_files.read(tmp_path / "new")
    assert (case.name, case.sizes[0], case.learned.times) == ("tiny", 10, None)
    assert set(zip(*case.learned.positives.nonzero(), strict=True)) == set(map(tuple, train[:, :2]))
    assert np.stack([case.task.user, case.task.movie], axis=1).tolist() == test[:, :2].tolist()
    assert (case.task.negatives == negatives).all()
    assert case.task.hidden.nnz == len(train) + len(test)


def test_validation_hides_one_more_and_shows_no_test() -> None:
    train, test, negatives = leave_one_out.hide_last(tables(), seed=0)
    shape = (10, N_MOVIES)
    known = leave_one_out.case("tiny", train[:, :2], test[:, :2], negatives, shape)
    case = leave_one_out.validation(known, seed=0)
    assert case.sizes == known.sizes
    assert case.task.user.tolist() == list(range(10))
    assert (case.learned.positives.sum(axis=1) == 3).all()
    for user, movie, row in zip(case.task.user, case.task.movie, case.task.negatives, strict=True):
        assert known.learned.positives[user, movie] == 1
        assert case.learned.positives[user, movie] == 0
        assert not set(row) & set(range(user, user + 5))


def test_who_has_one_positive_keeps_it_in_the_validation() -> None:
    train = np.array([[0, 1], [0, 2], [1, 3]])
    known = leave_one_out.case(
        "tiny", train, np.array([[0, 5]]), np.arange(10, 109)[None], (2, N_MOVIES)
    )
    case = leave_one_out.validation(known, seed=0)
    assert case.task.user.tolist() == [0]
    assert case.learned.positives[1, 3] == 1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train.rating", "0\t1\tfive\t3\n", "expected lines of whole numbers"),
        ("test.rating", "0\t1\n", "expected lines of whole numbers"),
        ("test.negative", "(0,4)\t1\t2\n", r"found \(2,\)"),
        ("test.negative", "(0,4)\t1\n(1,5)\t2\t3\n", "expected lines of"),
        ("test.negative", "(0,3)" + "\t7" * 99 + "\n", "aren't those of the test file"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    train, test, negatives = leave_one_out.hide_last(tables(), seed=0)
    ncf_files.write(tmp_path, "tiny", train, test, negatives)
    (tmp_path / f"tiny.{file}").write_text(text)
    with pytest.raises(InputDataError, match=message) as error:
        ncf_files.read(tmp_path)
    assert f"tiny.{file}" in str(error.value)


def test_a_missing_or_second_data_set_is_an_error(tmp_path: Path) -> None:
    train, test, negatives = leave_one_out.hide_last(tables(), seed=0)
    for name in ("one", "two"):
        ncf_files.write(tmp_path / name, name, train, test, negatives)
    (tmp_path / "one" / "one.test.rating").unlink()
    with pytest.raises(InputDataError, match=r"one\.test\.rating"):
        ncf_files.read(tmp_path / "one")
    ncf_files.write(tmp_path / "two", "three", train, test, negatives)
    with pytest.raises(InputDataError, match="has 2 files"):
        ncf_files.read(tmp_path / "two")


def test_too_few_unseen_movies_are_an_error() -> None:
    few = Tables(tables().frame, users_table(N_USERS), movies_table(100), END)
    with pytest.raises(ValueError, match="larger sample"):
        leave_one_out.hide_last(few, seed=0)


def test_the_order_of_the_frames_rows_changes_nothing() -> None:
    world = tables()
    mixed = world.frame.take(pa.array(np.random.default_rng(1).permutation(world.frame.num_rows)))
    found = leave_one_out.hide_last(Tables(mixed, world.users, world.movies, world.as_of), seed=0)
    for part, expected in zip(found, leave_one_out.hide_last(world, seed=0), strict=True):
        assert (part == expected).all()
