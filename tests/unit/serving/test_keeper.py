"""Which of the published stores the keeper has the workers know."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.cache import CacheFolder
from movie_recommender.serving.keeper import Keeper
from tests.unit.features.conftest import World, make_world  # noqa: F401  (a fixture)
from tests.unit.features.past import live


@pytest.fixture(scope="module")
def days(
    make_world: Callable[[Path], World],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """The store as it was published after each of some days."""
    return live(make_world(tmp_path_factory.mktemp("days") / "w"))


class Served:
    """A keeper, and the store whose file it looks at."""

    def __init__(self, world: World, directory: Path) -> None:
        self._path = world.store_path
        self._folder = CacheFolder(directory)
        self._folder.begin()
        self._keeper = Keeper(world.settings, self._folder)

    def as_of(self, store: Path) -> str:
        """Up to when the workers know users once that store was published."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store, self._path)
        self._keeper.read_store()
        state = self._folder.store()
        assert state.path is not None
        assert state.gone is None
        self.refused = state.refused
        contacts = Contacts.open(self._folder.path / state.path)
        assert contacts.snapshot_id == state.snapshot_id
        return contacts.as_of[:10]

    def damage(self) -> None:
        """Cut what the workers read."""
        path = self._folder.path / str(self._folder.store().path)
        path.write_bytes(path.read_bytes()[:20])


@pytest.fixture
def served(make_world: Callable[[Path], World], tmp_path: Path) -> Served:  # noqa: F811
    return Served(make_world(tmp_path / "w"), tmp_path / "cache")


def test_a_newer_store_is_served_and_an_older_one_isnt(days: list[Path], served: Served) -> None:
    assert [served.as_of(days[day]) for day in (1, 2, 0, 2, 3, 1)] == [
        "2026-06-03",
        *["2026-06-04"] * 3,
        *["2026-06-05"] * 2,
    ]


def test_what_isnt_taken_is_said(days: list[Path], served: Served) -> None:
    served.as_of(days[1])
    assert served.refused is None
    served.as_of(days[0])
    assert "is of 2026-06-02 00:00, contacts up to 2026-06-03 00:00 stay" in str(served.refused)
    served.as_of(days[1])
    assert served.refused is None


def test_an_older_store_is_better_than_damaged_contacts(days: list[Path], served: Served) -> None:
    assert served.as_of(days[2]) == "2026-06-04"
    served.damage()
    assert served.as_of(days[1]) == "2026-06-03"
