from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation import task as tasks
from movie_recommender.evaluation.task import Task, make_task
from movie_recommender.evaluation.window import Window
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

DAY = timedelta(days=1)


def task_of(frame, users, movies, *, days: int = 3, seed: int = 0) -> Task:
    window = Window(END - days * DAY, END)
    return make_task(frame, window, users=users, movies=movies, seed=seed)


def test_negatives_are_movies_without_any_contact() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    contacts = task.hidden.toarray() > 0
    assert task.negatives.shape == (len(task.user), 99)
    assert not contacts[task.user[:, None], task.negatives].any()
    # All contacts, the window's too: a liked movie is nobody's negative.
    assert contacts.sum() == 60 * 16


def test_history_ends_where_the_window_begins() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    assert task.dataset.positives.sum() == 60 * 13
    assert len(task.user) == 60 * 3


def test_the_window_holds_its_start_and_not_its_end() -> None:
    frame = frame_table([(0, 0, 3.0, 1), (0, 1, 0.0, 1), (1, 2, 4.0, 1)])
    task = task_of(frame, users_table(2), movies_table(5))
    assert task.user.tolist() == [0]
    assert task.movie.tolist() == [0]


def test_a_user_who_has_seen_everything_is_left_out() -> None:
    frame = frame_table([(0, 0, 1.0, 1), (0, 1, 1.0, 0), (1, 0, 1.0, 1)])
    task = task_of(frame, users_table(2), movies_table(2))
    assert task.user.tolist() == [1]


def test_the_same_seed_draws_the_same_movies() -> None:
    frame, users, movies = checkerboard()
    first, again = (task_of(frame, users, movies) for _ in range(2))
    other = task_of(frame, users, movies, seed=1)
    assert (first.negatives == again.negatives).all()
    assert (first.negatives != other.negatives).any()


def test_every_unseen_movie_is_drawn_alike() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    first = task.negatives[task.user == 0].ravel()  # 24 unseen movies, 3 x 99 draws
    drawn = np.bincount(first, minlength=40)
    assert (drawn > 0).sum() == 24
    many = [task_of(frame, users, movies, seed=s).negatives[task.user == 0] for s in range(30)]
    shares = np.bincount(np.ravel(many), minlength=40) / np.size(many)
    assert shares[drawn > 0] == pytest.approx(np.full(24, 1 / 24), rel=0.2)


def test_looking_in_small_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = task_of(*checkerboard())
    monkeypatch.setattr(tasks, "_CELLS_AT_ONCE", 7 * 40)
    parts = task_of(*checkerboard())
    assert (whole.negatives == parts.negatives).all()
    assert [len(users) for users in tasks.blocks(parts.users, 40)] == [7] * 8 + [4]


def test_places_of_users() -> None:
    frame = frame_table([(1, 0, 1.0, 1), (3, 1, 1.0, 1), (3, 2, 1.0, 1)])
    task = task_of(frame, users_table(4), movies_table(5))
    assert task.users.tolist() == [1, 3]
    assert task.place.tolist() == [0, 1, 1]
