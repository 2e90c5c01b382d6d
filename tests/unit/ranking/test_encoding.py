from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from movie_recommender.ranking import Encoding
from tests.unit.worlds import END, movies_table, users_table


def test_missing_and_unknown_values_are_zero() -> None:
    encoding = Encoding.fit(users_table(6), movies_table(6))
    strangers = pa.table(
        {
            "user_id": [1, 2],
            "age": pa.array([None, 30], pa.int32()),
            "country": pa.array(["Atlantis", None], pa.string()),
            "device": pa.array([None, "phone"], pa.string()),
        }
    )
    rows = encoding.encode_users(strangers)
    assert rows.shape == (2, encoding.n_user_features)
    assert rows[0].tolist() == [0.0] * encoding.n_user_features
    assert rows[1].sum() == 2.0  # the age group and the device


def test_age_groups_begin_at_their_edge() -> None:
    encoding = Encoding.fit(users_table(2), movies_table(2))
    users = users_table(4).set_column(1, "age", pa.array([17, 18, 24, 65], pa.int32()))
    groups = encoding.encode_users(users)[:, :7].argmax(axis=1)
    assert groups.tolist() == [0, 1, 1, 6]


def test_genres_have_unit_length_and_years_are_scaled() -> None:
    movies = movies_table(8)
    encoding = Encoding.fit(users_table(2), movies)
    rows = encoding.encode_movies(movies, now=END)
    assert rows.shape == (8, encoding.n_movie_features)
    genres = rows[:, : len(encoding.genres)]
    assert np.linalg.norm(genres, axis=1) == pytest.approx(np.ones(8))
    # Movies 0 and 7 have no year: zero is the mean.
    assert rows[0, -1] == 0.0
    known = rows[[i for i in range(8) if i % 7], -1]
    assert known.mean() == pytest.approx(0.0, abs=1e-6)


def test_a_movie_without_genres_or_with_a_null_list() -> None:
    movies = movies_table(3).set_column(
        2, "genres", pa.array([[], None, ["Odd", "New"]], pa.list_(pa.string()))
    )
    encoding = Encoding.fit(users_table(2), movies_table(4))
    genres = encoding.encode_movies(movies, now=END)[:, : len(encoding.genres)]
    assert genres[:2].sum() == 0.0
    assert genres[2, encoding.genres.index("Odd")] == 1.0


def test_empty_tables_encode_to_empty_matrices() -> None:
    encoding = Encoding.fit(users_table(0), movies_table(0))
    assert encoding.encode_users(users_table(0)).shape[0] == 0
    assert encoding.encode_movies(movies_table(0), now=END).shape == (0, 3)


def test_a_movie_is_fresh_from_its_release_on() -> None:
    ages = [0, 30, 365, -5]
    released = [*((END - timedelta(days=age)).date() for age in ages), None]
    movies = movies_table(5).append_column("release_date", pa.array(released, pa.date32()))
    rows = Encoding.fit(users_table(2), movies).encode_movies(movies, now=END)
    by_month, by_year = rows[:, -3], rows[:, -2]
    np.testing.assert_allclose(by_month, [1.0, 0.5, 2 ** (-365 / 30), 1.0, 0.0], rtol=1e-5)
    np.testing.assert_allclose(by_year, [1.0, 2 ** (-30 / 365), 0.5, 1.0, 0.0], rtol=1e-5)


def test_columns_have_the_names_they_are_said_to_have() -> None:
    users, movies = users_table(6), movies_table(6)
    encoding = Encoding.fit(users, movies)
    user = dict(zip(encoding.user_features, encoding.encode_users(users)[1], strict=True))
    assert {name for name, value in user.items() if value} == {
        "age group 1",
        "country DE",
        "device phone",
    }
    odd = encoding.encode_movies(movies, now=END)[1]
    movie = dict(zip(encoding.movie_features, odd, strict=True))
    assert {name for name, value in movie.items() if value} == {
        "genre Comedy",
        "genre Odd",
        "language en",
        "year",
    }


def test_what_is_new_joins_an_earlier_encoding() -> None:
    earlier = Encoding.fit(users_table(2), movies_table(2))
    users = users_table(2).set_column(2, "country", pa.array(["AT", "FR"], pa.string()))
    movies = movies_table(40).slice(20)
    grown = Encoding.fit(users, movies, earlier=earlier)
    assert grown.countries == ("AT", "DE", "FR")
    assert (grown.year_mean, grown.year_scale) == (earlier.year_mean, earlier.year_scale)
    assert Encoding.fit(users, movies).year_mean != earlier.year_mean
