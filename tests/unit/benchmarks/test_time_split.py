import csv
from pathlib import Path

from ratings.case import Tables, time_split
from ratings.movielens import movielens_tables

from movie_recommender.settings import load_settings
from tests.unit.worlds import END, frame_table, movies_table, users_table

DAY_S = 86_400
START_S = 1_000_000_000


def tables() -> Tables:
    """Each of ten users likes a new movie every day for 40 days."""
    pairs = [(user, day) for user in range(10) for day in range(40)]
    rows = [(user, (user + day) % 60, 39.5 - day, 1) for user, day in pairs]
    return Tables(frame_table(rows), users_table(10), movies_table(120), END)


def test_what_is_judged_on_the_test_window_learns_from_all_days_before_it() -> None:
    case = time_split("tiny", tables(), load_settings(evaluation_window_days=3), "test")
    assert len(case.task.user) == 10 * 3
    assert case.learned.positives.nnz == 10 * 37


def test_the_validation_window_knows_nothing_of_the_test() -> None:
    case = time_split("tiny", tables(), load_settings(evaluation_window_days=3), "validation")
    assert len(case.task.user) == 10 * 3
    assert case.learned.positives.nnz == 10 * 34
    assert case.task.hidden.nnz == 10 * 37


def test_a_movielens_folder_becomes_labels(tmp_path: Path) -> None:
    ratings = [(7, 20, 4.0, 2), (7, 10, 3.0, 0), (3, 10, 3.5, 1), (3, 20, 0.5, 1)]
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["userId", "movieId", "rating", "timestamp"])
        writer.writerows([(u, m, r, START_S + d * DAY_S) for u, m, r, d in ratings])
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n20,B (1999),Drama|Comedy\n10,A,(no genres listed)\n"
    )
    found = movielens_tables(tmp_path)
    rows = [(r["user_id"], r["movie_id"], r["label"]) for r in found.frame.to_pylist()]
    assert rows == [(7, 10, 0), (3, 10, 1), (3, 20, 0), (7, 20, 1)]
    assert found.users["user_id"].to_pylist() == [3, 7]
    assert found.movies["movie_id"].to_pylist() == [10, 20]
    assert found.movies["genres"].to_pylist()[0] == []
    times = found.frame["event_time"].to_pylist()
    assert [str(time.date()) for time in times] == ["2026-11-20", *["2026-11-21"] * 2, "2026-11-22"]
    assert (times[0].hour, times[0].minute, times[0].second) == (1, 46, 40)  # as in the file
