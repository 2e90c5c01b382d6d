from datetime import timedelta

import numpy as np

from movie_recommender.evaluation.examples import Example, examples_of
from movie_recommender.evaluation.facts import genre_shares
from movie_recommender.evaluation.protocol import Task, Window, make_task
from tests.unit.worlds import END, frame_table, movies_table, users_table

WINDOW = Window(END - timedelta(days=3), END)


def task_of(rows: list[tuple[int, int, float, int]], n_users: int = 2) -> Task:
    users, movies = users_table(n_users), movies_table(12)
    return make_task(frame_table(rows), WINDOW, users=users, movies=movies, seed=0)


def titles(movies: tuple) -> list[str]:  # type: ignore[type-arg]
    return [movie.title for movie in movies]


def only(task: Task, lists: list[list[int]]) -> Example:
    (found,) = examples_of(task, np.array(lists), seed=0)
    return found


def test_what_was_liked_last_what_is_shown_and_what_is_missed() -> None:
    past = [(1, movie, 20.0 - movie, 1) for movie in range(7)]
    found = only(task_of([*past, (1, 9, 1.0, 1), (1, 11, 2.0, 1)]), [[8, 9, 10, -1]])
    assert (found.user_id, found.group, found.n_history) == (11, "light users", 7)
    assert titles(found.history) == [f"Movie {movie}" for movie in (6, 5, 4, 3, 2)]
    assert titles(found.shown) == ["Movie 8", "Movie 9", "Movie 10"]
    assert [movie.liked for movie in found.shown] == [False, True, False]
    assert titles(found.missed) == ["Movie 11"]
    assert (found.shown[0].year, found.shown[0].genres) == (1998, ("Even",))
    assert found.history[1].genres == ("Odd", "Comedy")


def test_a_new_user_has_no_history() -> None:
    found = only(task_of([(0, 7, 1.0, 1)]), [[7, 0, 1, 2]])
    assert (found.group, found.history, found.missed) == ("new users", (), ())
    assert (found.shown[0].liked, found.shown[0].year) == (True, None)


def test_one_user_of_each_group_always_the_same() -> None:
    past = [(user, movie, 9.0, 1) for user in range(9) for movie in range(user)]
    task = task_of([*past, *((user, 11, 1.0, 1) for user in range(9))], 9)
    lists = np.tile(np.arange(10), (9, 1))
    found = examples_of(task, lists, seed=1)
    assert [one.group for one in found] == ["new users", "light users", "heavy users"]
    assert found == examples_of(task, lists, seed=1)
    assert found[0].n_history == 0 < found[1].n_history < found[2].n_history


def test_genres_liked_and_shown() -> None:
    # The first user likes Even and is shown Even and half Odd, half Comedy; the second is new.
    task = task_of([(0, 0, 9.0, 1), (0, 2, 1.0, 1), (1, 4, 1.0, 1)])
    shares = genre_shares(task, np.array([[2, 3], [5, 7]]))
    assert [(one.genre, one.liked, one.shown) for one in shares] == [
        ("Even", 1.0, 0.5),
        ("Comedy", 0.0, 0.25),
        ("Odd", 0.0, 0.25),
    ]
    assert genre_shares(task_of([(0, 2, 1.0, 1)]), np.array([[2, 3]])) == []
