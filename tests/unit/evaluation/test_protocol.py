from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Popularity
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

DAY = timedelta(days=1)


class Truth:
    """Scores the checkerboard as it is."""

    def __init__(self, n_movies: int, *, sign: float = 1.0) -> None:
        self.n_movies = n_movies
        self.sign = sign

    def scores(self, user_rows: np.ndarray) -> np.ndarray:
        same = user_rows[:, None] % 2 == np.arange(self.n_movies)[None] % 2
        return self.sign * same.astype(np.float32)


def task_of(frame, users, movies, *, days: int = 3, seed: int = 0) -> protocol.Task:
    window = protocol.Window(END - days * DAY, END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=seed)


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


def test_truth_gets_everything_right_but_ties() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    right = protocol.judge(Truth(40), task).means()
    wrong = protocol.judge(Truth(40, sign=-1.0), task).means()
    # 16 of 20 movies of the right colour are seen: a draw of an unseen movie is right-coloured
    # (and so a tie, which counts against) 4 times in 24.
    assert right["auc"] == pytest.approx(1 - 4 / 24, abs=0.01)
    assert wrong["auc"] == 0.0
    assert wrong["ndcg_at_10"] == 0.0
    # Against the whole catalogue: the 4 unseen of the right colour tie with the positive.
    assert right["full_hit_rate_at_10"] == 1.0
    assert right["full_ndcg_at_10"] == pytest.approx(1 / np.log2(4 + 2), abs=1e-6)


def test_the_same_seed_draws_the_same_movies() -> None:
    frame, users, movies = checkerboard()
    first, again = (task_of(frame, users, movies) for _ in range(2))
    other = task_of(frame, users, movies, seed=1)
    assert (first.negatives == again.negatives).all()
    assert (first.negatives != other.negatives).any()


def test_judging_in_small_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    whole = protocol.judge(Popularity(task.dataset), task)
    monkeypatch.setattr(protocol, "_USERS_AT_ONCE", 7)
    parts = protocol.judge(Popularity(task.dataset), task)
    for name, values in vars(whole).items():
        assert (getattr(parts, name) == values).all()


def test_window_is_widened_until_enough_users_are_in_it() -> None:
    rows = [(user, 0, 5.0 + 10.0 * user, 1) for user in range(10)]
    frame = frame_table(rows)
    narrow = protocol.newest_window(frame, end=END, days=3, min_users=1)
    assert narrow.start == END - 5 * DAY
    wider = protocol.newest_window(frame, end=END, days=3, min_users=3)
    assert wider.start == END - 25 * DAY
    half = protocol.newest_window(frame, end=END, days=3, min_users=100)
    assert half.start == END - 45 * DAY


def test_a_short_history_leaves_half_to_learn_from() -> None:
    frame = frame_table([(user, 0, 0.1 + 0.25 * user, 1) for user in range(10)])  # 2.35 days
    window = protocol.newest_window(frame, end=END, days=3, min_users=1)
    assert window.start == END - DAY  # the first midnight in the newest half
    one_day = frame_table([(user, 0, 0.05 + 0.09 * user, 1) for user in range(10)])
    window = protocol.newest_window(one_day, end=END, days=3, min_users=1)
    assert window.start == END - 0.41 * DAY  # no midnight in it: the half itself


def test_window_without_positives_is_just_the_days() -> None:
    window = protocol.newest_window(frame_table([]), end=END, days=3, min_users=10)
    assert window == protocol.Window(END - 3 * DAY, END)
