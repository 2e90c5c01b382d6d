from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from movie_recommender.errors import RegistryError
from movie_recommender.ranking import Dataset
from movie_recommender.ranking.contacts import Contacts, Person
from tests.unit.worlds import END, frame_table, movies_table, users_table

# User row 0 saw movie 4, liked 2 and then 1; user row 2 liked 0; user row 1 met nothing.
ROWS = [(0, 4, 1.0, 0), (0, 2, 3.0, 1), (0, 1, 2.0, 1), (2, 0, 9.0, 1)]


@pytest.fixture
def contacts(tmp_path: Path) -> Contacts:
    data = Dataset.before(END, frame_table(ROWS), users=users_table(6), movies=movies_table(5))
    Contacts.of(data, snapshot_id="snap").save(tmp_path / "c.safetensors")
    return Contacts.open(tmp_path / "c.safetensors")


def test_what_a_user_met_and_liked(contacts: Contacts) -> None:
    ids, liked = contacts.met(contacts.row(1))  # type: ignore[arg-type]
    np.testing.assert_array_equal(ids, [4 * 7 + 3, 2 * 7 + 3, 1 * 7 + 3])
    np.testing.assert_array_equal(liked, [False, True, True])
    ids, liked = contacts.met(contacts.row(21))  # type: ignore[arg-type]
    assert (ids.tolist(), liked.tolist()) == ([3], [True])


def test_a_user_who_met_nothing_and_one_who_is_not_there(contacts: Contacts) -> None:
    ids, liked = contacts.met(contacts.row(11))  # type: ignore[arg-type]
    assert len(ids) == len(liked) == 0
    assert [contacts.row(user_id) for user_id in (-1, 0, 2, 10**18)] == [None] * 4


def test_what_is_known_about_them(contacts: Contacts) -> None:
    assert contacts.person(0) == Person(None, None, "tv")
    assert contacts.person(1) == Person(21, "DE", "phone")
    assert (contacts.snapshot_id, contacts.as_of) == ("snap", END.isoformat())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="gone"):
        Contacts.open(tmp_path / "gone")


def test_a_file_of_another_form_is_said(tmp_path: Path) -> None:
    save_file({"user_ids": np.arange(2)}, tmp_path / "c", metadata={"about": '{"countries": []}'})
    with pytest.raises(RegistryError, match="has no contacts that this version can read"):
        Contacts.open(tmp_path / "c")
