from pathlib import Path

import numpy as np
import pytest

from movie_recommender.ranking import Dataset, Encoding
from movie_recommender.ranking.popular import MIN_USERS, Popular, age_group, country_group
from tests.unit.worlds import END, frame_table, movies_table, users_table

# All 30 users like movie 0; those of row 3n (no country) movie 1 beside it, the others movie 2.
ROWS = [(u, 0, 2.0, 1) for u in range(30)]
ROWS += [(u, 2 if u % 3 else 1, 1.0, 1) for u in range(30)]


@pytest.fixture
def popular(tmp_path: Path) -> Popular:
    users, movies = users_table(30), movies_table(4)
    data = Dataset.before(END, frame_table(ROWS), users=users, movies=movies)
    Popular.of(data, Encoding.fit(users, movies)).save(tmp_path / "p.safetensors")
    return Popular.open(tmp_path / "p.safetensors")


def test_everybodys_likes(popular: Popular) -> None:
    np.testing.assert_array_equal(popular.scores(), [30, 10, 20, 0])
    np.testing.assert_array_equal(popular.scores("country Atlantis"), popular.scores())


def test_a_countrys_likes_go_first_and_everybodys_decide_between_equals(popular: Popular) -> None:
    # Germans are the 20 users whose row isn't a multiple of 3: none likes movie 1.
    scores = popular.scores(country_group("DE"))
    np.testing.assert_allclose(scores, [20 + 30 / 31, 10 / 31, 20 + 20 / 31, 0])


def test_groups_of_few_users_have_no_list(popular: Popular) -> None:
    # Ages are 20 to 49 without every fifth: 4 users are under 25, 8 from 25, 8 from 35, 4 above.
    assert MIN_USERS == 10
    assert set(popular.groups) == {"country DE"}


@pytest.mark.parametrize(("age", "group"), [(0, 0), (17, 0), (18, 1), (64, 5), (65, 6), (130, 6)])
def test_age_groups(age: int, group: int) -> None:
    assert age_group(age) == f"age group {group}"
    assert f"age group {group}" in Encoding.fit(users_table(1), movies_table(1)).user_features


def test_without_any_group(tmp_path: Path) -> None:
    users, movies = users_table(2), movies_table(3)
    data = Dataset.before(END, frame_table([]), users=users, movies=movies)
    Popular.of(data, Encoding.fit(users, movies)).save(tmp_path / "p")
    found = Popular.open(tmp_path / "p")
    assert (found.groups, found.scores("country DE").tolist()) == ({}, [0, 0, 0])
