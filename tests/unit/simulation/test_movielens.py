from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.simulation import movielens, replay

CSV = {
    "ratings.csv": [
        "userId,movieId,rating,timestamp",
        "1,31,2.5,1260759144",
        "2,10,4,835355493",
        "1,10,5.0,1260759179",
    ],
    "movies.csv": [
        "movieId,title,genres",
        "10,GoldenEye (1995),Action|Adventure",
        '31,"American ""President"", The (1995)",(no genres listed)',
        "40,Unrated,Drama",
    ],
}
DAT = {
    "ratings.dat": ["1::10::5::978300760", "2::31::3::978302109"],
    "movies.dat": ["10::Misérables, Les (1995)::Drama|Musical", "31::Face/Off: X (1997)::Action"],
    "users.dat": ["1::F::1::10::48067", "2::M::56::16::70072"],
}


def write(
    folder: Path, files: dict[str, list[str]], encoding: str = "utf-8", **changed: tuple[int, str]
) -> Path:
    """The files, of each in `changed` one line (counted from 1) replaced."""
    for name, lines in files.items():
        line, text = changed.get(name.split(".")[0], (0, ""))
        content = [text if number == line else old for number, old in enumerate(lines, 1)]
        (folder / name).write_text("\n".join(content) + "\n", encoding=encoding)
    return folder


def test_csv(tmp_path: Path) -> None:
    data = movielens.load(write(tmp_path, CSV))
    assert data.ratings.to_pylist() == [
        {"user_id": 2, "movie_id": 10, "rating": 4.0, "time": 835355493},
        {"user_id": 1, "movie_id": 31, "rating": 2.5, "time": 1260759144},
        {"user_id": 1, "movie_id": 10, "rating": 5.0, "time": 1260759179},
    ]
    assert data.movies.to_pylist() == [
        {
            "movie_id": 10,
            "title": "GoldenEye (1995)",
            "genres": ["Action", "Adventure"],
            "year": 1995,
        },
        {"movie_id": 31, "title": 'American "President", The (1995)', "genres": [], "year": 1995},
        {"movie_id": 40, "title": "Unrated", "genres": ["Drama"], "year": None},
    ]
    assert data.users.to_pydict() == {"user_id": [1, 2]}


def test_dat_is_latin_1_and_has_users(tmp_path: Path) -> None:
    data = movielens.load(write(tmp_path, DAT, "latin-1"))
    assert data.movies["title"].to_pylist() == ["Misérables, Les (1995)", "Face/Off: X (1997)"]
    assert data.movies["year"].to_pylist() == [1995, 1997]
    assert data.users.to_pylist() == [
        {"user_id": 1, "age": 1, "gender": "F", "occupation": 10},
        {"user_id": 2, "age": 56, "gender": "M", "occupation": 16},
    ]


def test_dat_without_users(tmp_path: Path) -> None:
    files = {name: lines for name, lines in DAT.items() if name != "users.dat"}
    assert movielens.load(write(tmp_path, files, "latin-1")).users["user_id"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "line", "text", "says"),
    [
        ("ratings", 1, "user,movie,rating,time", "the header userId,movieId,rating,timestamp"),
        ("ratings", 3, "2,10,4", "expected userId,movieId,rating,timestamp"),
        ("ratings", 3, "", "expected userId,movieId,rating,timestamp"),
        ("ratings", 3, "2,10,4,835355493,1", "expected userId,movieId,rating,timestamp"),
        ("ratings", 3, "x2,10,4,835355493", "'x2', expected a user id"),
        ("ratings", 3, "2,-10,4,835355493", "'-10', expected a movie id"),
        ("ratings", 3, "2,10,5.5,835355493", "'5.5', expected a rating from 0.5 to 5"),
        ("ratings", 3, "2,10,0,835355493", "'0', expected a rating from 0.5 to 5"),
        ("ratings", 3, "2,10,nan,835355493", "'nan', expected a rating from 0.5 to 5"),
        ("ratings", 3, "2,10,4,1e9", "'1e9', expected a time in seconds"),
        ("ratings", 3, "2,10,4,9999999999", "before the year 2100"),
        ("ratings", 3, "2,11,4,835355493", "'11', expected a movie of the movies file"),
        ("movies", 3, "31,American President, The (1995),Drama", "expected movieId,title,genres"),
        ("movies", 3, "10,Twice (1995),Drama", "'10', expected an id that no earlier line has"),
        ("movies", 3, '31,"",Drama', "expected a title of 1 to 500 characters"),
        ("movies", 3, f"31,{'x' * 501},Drama", "expected a title of 1 to 500 characters"),
    ],
)
def test_a_bad_csv_line_is_named(
    tmp_path: Path, name: str, line: int, text: str, says: str
) -> None:
    with pytest.raises(InputDataError) as caught:
        movielens.load(write(tmp_path, CSV, **{name: (line, text)}))
    message = str(caught.value)
    assert f"{name}.csv, line {line}: " in message
    assert says in message
    assert "run again" in message


@pytest.mark.parametrize(
    ("name", "line", "text", "says"),
    [
        ("ratings", 2, "3::31::3::978302109", "'3', expected a user of the users file"),
        ("ratings", 2, "2,31,3,978302109", "expected UserID::MovieID::Rating::Timestamp"),
        ("users", 2, "2::X::56::16::70072", "'X', expected M or F"),
        ("users", 2, "2::M::156::16::70072", "'156', expected an age in years"),
        ("users", 2, "1::M::56::16::70072", "'1', expected an id that no earlier line has"),
    ],
)
def test_a_bad_dat_line_is_named(
    tmp_path: Path, name: str, line: int, text: str, says: str
) -> None:
    with pytest.raises(InputDataError) as caught:
        movielens.load(write(tmp_path, DAT, "latin-1", **{name: (line, text)}))
    assert f"{name}.dat, line {line}: " in str(caught.value)
    assert says in str(caught.value)


def test_missing_folder_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="nowhere"):
        movielens.load(tmp_path / "nowhere")
    with pytest.raises(InputDataError, match=r"neither ratings\.csv nor ratings\.dat"):
        movielens.load(tmp_path)
    (tmp_path / "ratings.csv").write_text(CSV["ratings.csv"][0])
    with pytest.raises(InputDataError, match=r"no movies\.csv"):
        movielens.load(tmp_path)


def test_files_without_ratings_or_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path, CSV)
    (tmp_path / "ratings.csv").write_text(CSV["ratings.csv"][0] + "\n")
    with pytest.raises(InputDataError, match=r"ratings\.csv, line 2.*at least one line"):
        movielens.load(tmp_path)
    (tmp_path / "ratings.csv").write_bytes(b"")
    with pytest.raises(InputDataError, match=r"ratings\.csv"):
        movielens.load(tmp_path)
    (tmp_path / "ratings.csv").write_bytes(b"userId,movieId,rating,timestamp\n\xff\xfe\x00\n")
    with pytest.raises(InputDataError, match=r"ratings\.csv"):
        movielens.load(tmp_path)


def test_windows_line_ends_are_fine(tmp_path: Path) -> None:
    expected = movielens.load(write(tmp_path, CSV))
    for name, lines in CSV.items():
        (tmp_path / name).write_bytes("\r\n".join(lines).encode())
    assert movielens.load(tmp_path).ratings.equals(expected.ratings)


def test_replay_moves_all_by_whole_days_so_that_the_last_day_is_the_chosen_one(
    tmp_path: Path,
) -> None:
    data = movielens.load(write(tmp_path, CSV))
    events = replay.rating_events(data, date(2026, 3, 1))
    times = events["event_time"].to_pylist()
    published = [datetime.fromtimestamp(t, UTC) for t in data.ratings["time"].to_pylist()]
    assert times[-1].date() == date(2026, 3, 1)
    shifts = {new - old for new, old in zip(times, published, strict=True)}
    assert len(shifts) == 1
    assert shifts.pop().seconds == 0


def test_ids_stay_whatever_the_day_and_differ_between_data_sets(tmp_path: Path) -> None:
    data = movielens.load(write(tmp_path, CSV))
    ids = replay.rating_events(data, date(2026, 3, 1))["event_id"]
    assert replay.rating_events(data, date(2026, 3, 5))["event_id"].equals(ids)
    other = movielens.load(write(tmp_path, CSV, ratings=(3, "2,10,4.5,835355493")))
    assert not pc.any(
        pc.is_in(replay.rating_events(other, date(2026, 3, 1))["event_id"], ids)
    ).as_py()


def test_upserts_come_with_the_first_rating(tmp_path: Path) -> None:
    data = movielens.load(write(tmp_path, CSV))
    ratings = replay.rating_events(data, date(2026, 3, 1))["event_time"].to_pylist()
    users = replay.user_events(data, date(2026, 3, 1))["event_time"].to_pylist()
    movies = replay.movie_events(data, date(2026, 3, 1))["event_time"].to_pylist()
    assert users == [ratings[1], ratings[0]]
    assert movies == [ratings[0], ratings[1], ratings[0]]
