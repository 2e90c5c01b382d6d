from datetime import timedelta

from movie_recommender.evaluation.window import Window, newest_window
from tests.unit.worlds import END, frame_table

DAY = timedelta(days=1)


def test_window_is_widened_until_enough_users_are_in_it() -> None:
    rows = [(user, 0, 5.0 + 10.0 * user, 1) for user in range(10)]
    frame = frame_table(rows)
    narrow = newest_window(frame, end=END, days=3, min_users=1)
    assert narrow.start == END - 5 * DAY
    wider = newest_window(frame, end=END, days=3, min_users=3)
    assert wider.start == END - 25 * DAY
    half = newest_window(frame, end=END, days=3, min_users=100)
    assert half.start == END - 45 * DAY


def test_a_short_history_leaves_half_to_learn_from() -> None:
    frame = frame_table([(user, 0, 0.1 + 0.25 * user, 1) for user in range(10)])  # 2.35 days
    window = newest_window(frame, end=END, days=3, min_users=1)
    assert window.start == END - DAY  # the first midnight in the newest half
    one_day = frame_table([(user, 0, 0.05 + 0.09 * user, 1) for user in range(10)])
    window = newest_window(one_day, end=END, days=3, min_users=1)
    assert window.start == END - 0.41 * DAY  # no midnight in it: the half itself


def test_window_without_positives_is_just_the_days() -> None:
    window = newest_window(frame_table([]), end=END, days=3, min_users=10)
    assert window == Window(END - 3 * DAY, END)
