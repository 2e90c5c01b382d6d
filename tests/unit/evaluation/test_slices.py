from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation import slices
from movie_recommender.evaluation.protocol import Task, Window, make_task
from movie_recommender.evaluation.slices import Slice
from tests.unit.worlds import END, frame_table, movies_table, users_table

PAST, NEW = 9.0, 1.0


def task_of(rows: list[tuple[int, int, float, int]], n_users: int, n_movies: int) -> Task:
    window = Window(END - timedelta(days=3), END)
    users, movies = users_table(n_users), movies_table(n_movies)
    return make_task(frame_table(rows), window, users=users, movies=movies, seed=0)


def pairs(task: Task, name: str) -> list[tuple[int, int]]:
    """The (user, movie) rows that are in the slice of that name."""
    (found,) = [part for part in slices.slices_of(task) if part.name == name]
    return list(
        zip(task.user[found.positives].tolist(), task.movie[found.positives].tolist(), strict=True)
    )


def about(task: Task) -> dict[str, str]:
    return {part.name: part.about for part in slices.slices_of(task)}


@pytest.fixture
def six() -> Task:
    """User u liked u movies before the window, and movie 9 in it."""
    past = [(user, movie, PAST, 1) for user in range(7) for movie in range(user)]
    return task_of([*past, *((user, 9, NEW, 1) for user in range(7))], 7, 12)


def test_users_by_what_they_liked_before(six: Task) -> None:
    assert pairs(six, "new users") == [(0, 9)]
    assert pairs(six, "light users") == [(1, 9), (2, 9), (3, 9)]
    assert pairs(six, "heavy users") == [(6, 9)]
    said = about(six)
    assert said["light users"] == "1 to 3 liked before the window"
    assert said["heavy users"] == "more than 5 liked before the window"


def test_nobody_is_both_light_and_heavy() -> None:
    rows = [(user, 0, PAST, 1) for user in range(9)] + [(user, 1, NEW, 1) for user in range(9)]
    task = task_of(rows, 9, 4)
    assert len(pairs(task, "light users")) == 9
    assert "heavy users" not in about(task)


def test_contacts_without_a_like_make_no_history() -> None:
    task = task_of([(0, 0, PAST, 0), (0, 1, NEW, 1)], 1, 4)
    assert pairs(task, "new users") == [(0, 1)]
    assert "light users" not in about(task)


def test_the_tail_is_what_the_head_leaves_and_the_new_are_in_it() -> None:
    # Movies 0 to 3 have 5, 3, 1 and 1 of ten likes: the first two hold 80 % of them.
    counts = (5, 3, 1, 1)
    past = [(user, movie, PAST, 1) for movie, n in enumerate(counts) for user in range(n)]
    new = [(9, movie, NEW, 1) for movie in (0, 1, 2, 3, 4)]
    task = task_of([*past, *new], 10, 8)
    assert pairs(task, "tail movies") == [(9, 2), (9, 3), (9, 4)]
    assert pairs(task, "new movies") == [(9, 4)]
    assert about(task)["tail movies"].startswith("not among the 2 movies that hold 80%")


def test_a_movie_is_in_the_slice_of_each_of_its_genres() -> None:
    task = task_of([(0, 0, NEW, 1), (0, 1, NEW, 1)], 1, 4)
    assert pairs(task, "genre: Even") == [(0, 0)]
    assert pairs(task, "genre: Odd") == pairs(task, "genre: Comedy") == [(0, 1)]


def test_an_empty_slice_is_left_out() -> None:
    task = task_of([(0, 0, PAST, 1), (1, 0, NEW, 1), (0, 2, NEW, 1)], 2, 4)
    assert "new movies" in about(task)
    assert "genre: Odd" not in about(task)


def test_columns_are_means_of_the_slices_positives_by_user() -> None:
    task = task_of([(0, 0, NEW, 1), (0, 1, NEW, 1), (1, 1, NEW, 1)], 2, 6)
    even = Slice("even", "", task.movie % 2 == 0)
    everything = Slice("all", "", np.ones(3, bool))
    found = slices.columns(task, [even, everything], np.array([0, 2, 12]))
    assert found[0].tolist() == [1.0, 0.75, 1.0, 1.0]
    assert np.isnan(found[1]).tolist() == [True, False, True, False]
    assert found[1, [1, 3]].tolist() == [0.0, 0.0]
    assert slices.columns(task, [], np.array([0, 2, 12])).shape == (2, 0)
