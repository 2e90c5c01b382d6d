"""Two snapshots compared: what came, what went, what is another value."""

import re
import shutil

import duckdb
import pytest

from movie_recommender.errors import (
    ConcurrentWriteError,
    ConfigurationError,
    InputDataError,
    StorageError,
)
from movie_recommender.features import archive, difference
from movie_recommender.features.difference import Difference, TableDifference, diff
from movie_recommender.features.groups import STEP, VIEW, load_groups
from tests.unit.features.past import copied, identity, live, registry, vacuum

NOTHING = TableDifference(0, 0, 0, {})


@pytest.fixture(scope="module")
def lived(make_world, tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("lived") / "w")
    live(world)
    return world


@pytest.fixture(scope="module")
def two_days(make_world, tmp_path_factory):
    """On the second day user 2 comes, and user 1 rates the movie that is there."""
    world = make_world(tmp_path_factory.mktemp("two") / "w")
    world.movie(10, "06-01 09:00", "Drama")
    world.user(1, "06-01 09:00", age=30)
    world.act("like", 1, 10, "06-01 10:00")
    world.build("06-02")
    world.user(2, "06-02 09:00")
    world.act("view", 2, 10, "06-02 10:00")
    world.act("rating", 1, 10, "06-02 11:00", rating=4.5)
    world.build("06-03")
    return world


def compare(world, a: str, b: str) -> Difference:
    return diff(world.settings, a, b, threads=1)


def change(world, sequence: int, assignment: str) -> None:
    with duckdb.connect(str(world.store_path)) as connection:
        connection.execute(f"UPDATE snapshots SET {assignment} WHERE sequence = {sequence}")


def test_a_day_is_told_row_by_row(two_days):
    newest, oldest = registry(two_days)
    found = compare(two_days, oldest.id[:6], "latest")
    assert (found.a, found.b, found.not_compared) == (oldest.id, newest.id, None)
    columns = ["last_active", "n_events", "n_days", "n_ratings", "rating_mean", "rating_spread"]
    assert found.tables["user_features"] == TableDifference(1, 0, 1, dict.fromkeys(columns, 1))
    columns = ["n_contacts", "n_ratings", "rating_mean_shrunk", "rating_spread"]
    assert found.tables["movie_features"] == TableDifference(0, 0, 1, dict.fromkeys(columns, 1))
    assert found.tables["training_frame"] == TableDifference(1, 0, 0, {})
    assert found.tables["movie_states"] == TableDifference(1, 0, 0, {})
    assert found.tables["user_versions"] == TableDifference(1, 0, 0, {})
    assert found.tables["genres"] == found.tables["movie_versions"] == NOTHING


def test_the_other_way_round_what_came_goes(two_days):
    newest, oldest = registry(two_days)
    there, back = compare(two_days, oldest.id, newest.id), compare(two_days, newest.id, oldest.id)
    for table, forth in there.tables.items():
        expected = TableDifference(forth.removed, forth.added, forth.changed, forth.columns)
        assert back.tables[table] == expected
    assert back.registry == {
        name: {"a": pair["b"], "b": pair["a"]} for name, pair in there.registry.items()
    }


def test_fields_of_the_registry_that_differ(two_days):
    newest, oldest = registry(two_days)
    told = compare(two_days, oldest.id, newest.id).registry
    assert told["as_of"] == {"a": "2026-06-02T00:00:00+00:00", "b": "2026-06-03T00:00:00+00:00"}
    assert told["row_counts.user_features"] == {"a": 1, "b": 2}
    assert told["lake_versions.users"] == {
        "a": oldest.lake_versions["users"],
        "b": newest.lake_versions["users"],
    }
    same = {"sql_hash", "code_version", "engine", "format", "profile", "lake_versions.movies"}
    assert not same & set(told)
    assert "positives.share" in told["warnings"]["a"][0]
    assert told["warnings"]["b"] == []


def test_two_old_ones_are_both_rebuilt_and_nothing_is_left(lived, monkeypatch):
    before = identity(lived.store_path)
    _, second, third, _ = registry(lived)
    targets = []
    rebuild = archive.rebuild

    def noted(*arguments, **options):
        targets.append(options["to"])
        return rebuild(*arguments, **options)

    monkeypatch.setattr(archive, "rebuild", noted)
    found = compare(lived, third.id, second.id)
    stored = {group.name for group in load_groups() if group.kind not in {VIEW, STEP}}
    assert set(found.tables) == stored
    assert list(found.tables)[:3] == ["training_frame", "user_features", "movie_features"]
    for table, told in found.tables.items():
        grown = second.row_counts[table] - third.row_counts[table]
        assert told.added - told.removed == grown, table
        assert max(told.columns.values(), default=0) <= told.changed, table
        assert (told == NOTHING) == (second.checksums[table] == third.checksums[table]), table
    assert len(targets) == 2
    assert not any(target.parent.exists() for target in targets)
    assert identity(lived.store_path) == before


def test_a_snapshot_and_itself(lived, monkeypatch):
    monkeypatch.setattr(archive, "rebuild", lambda *_, **__: pytest.fail("was rebuilt"))
    newest = registry(lived)[0]
    for name in ("latest", registry(lived)[1].id):
        found = compare(lived, name, newest.id if name == "latest" else name)
        assert found.registry == {}
        assert all(told == NOTHING for told in found.tables.values())
        assert len(found.tables) > 3


def test_the_last_bit_of_a_float_is_a_difference(two_days, tmp_path, monkeypatch):
    """The files differ in one number of one row, by one unit in the last place."""
    world = copied(two_days, tmp_path / "w")
    newest, oldest = registry(world)

    def nudged(*_, to, **__) -> None:
        shutil.copyfile(world.store_path, to)
        with duckdb.connect(str(to)) as connection:
            connection.execute(
                "UPDATE user_features SET rating_mean = nextafter(rating_mean, 9) WHERE user_id = 1"
            )
            connection.execute(f"UPDATE snapshots SET id = '{oldest.id}' WHERE sequence = 2")

    monkeypatch.setattr(archive, "rebuild", nudged)
    told = compare(world, oldest.id, newest.id).tables["user_features"]
    assert told == TableDifference(0, 0, 1, {"rating_mean": 1})


def test_what_cannot_be_rebuilt_is_compared_by_the_registry_alone(lived, tmp_path):
    world = copied(lived, tmp_path / "w")
    vacuum(world, 1)
    newest, *_, oldest = registry(world)
    found = compare(world, oldest.id, newest.id)
    assert found.tables is None
    assert "LAKE_RETENTION_DAYS" in found.not_compared
    assert found.registry["row_counts.movie_features"] == {"a": 2, "b": 6}


def test_other_sql_makes_other_columns_and_is_said(lived, tmp_path):
    world = copied(lived, tmp_path / "w")
    change(world, 4, "sql_hash = 'abc'")
    newest, second, *_ = registry(world)
    for pair in ((newest.id, second.id), (second.id, newest.id)):
        found = compare(world, *pair)
        assert found.tables is None
        assert "another version of this program" in found.not_compared
        assert "sql_hash" in found.registry


def test_an_unknown_snapshot(lived):
    with pytest.raises(ConfigurationError, match="'0123456789'"):
        compare(lived, "latest", "0123456789")


def test_a_snapshot_that_is_published_meanwhile(lived, tmp_path, monkeypatch):
    world = copied(lived, tmp_path / "w")
    newest, second, *_ = registry(world)
    rebuild = archive.rebuild

    def slow(*arguments, **options):
        done = rebuild(*arguments, **options)
        world.build("06-09")
        return done

    monkeypatch.setattr(archive, "rebuild", slow)
    with pytest.raises(ConcurrentWriteError, match=rf"while {newest.id} was looked for"):
        compare(world, second.id, newest.id)


def test_a_disk_that_refuses_names_the_place(lived, monkeypatch):
    def refused(*_) -> None:
        message = "No space left on device"
        raise duckdb.IOException(message)

    monkeypatch.setattr(difference, "_table", refused)
    newest, second, *_ = registry(lived)
    with pytest.raises(StorageError, match=rf"{second.id} and {newest.id} in /.*Free space"):
        compare(lived, second.id, newest.id)


def test_a_damaged_published_file_is_named(lived, tmp_path, monkeypatch):
    """Whichever block it is: either nobody needs it, or the error says what to do."""
    world = copied(lived, tmp_path / "w")
    second = registry(world)[1].id
    sound = world.store_path.read_bytes()
    monkeypatch.setattr(
        archive, "rebuild", lambda *_, to, **__: shutil.copyfile(f"{lived.store_path}.3", to)
    )
    found = []
    for block in range(12_288, len(sound), 262_144):  # DuckDB's headers, then its blocks
        damaged = bytearray(sound)
        damaged[block + 64] ^= 0xFF
        world.store_path.write_bytes(damaged)
        try:
            compare(world, second, "latest")
        except InputDataError as error:
            found.append(str(error))
    told = "Comparing snapshots .* stopped, the published feature store is damaged: .*Build it"
    assert any(re.match(told, message) for message in found)
    assert len(found) > 1
