"""The reader: bounds, ids, and what it says about a file that it can't use."""

import shutil
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from movie_recommender.errors import ConfigurationError, InputDataError, NotReadyError
from movie_recommender.features import FeatureStore, schemas
from movie_recommender.features import store as store_module


@pytest.fixture(scope="module")
def published(make_world, tmp_path_factory):
    """One store for the whole file; who damages it takes a copy."""
    world = make_world(tmp_path_factory.mktemp("published"))
    for user, movie, when in ((1, 10, "06-01"), (2, 11, "06-02 12:00"), (3, 12, "06-03")):
        world.act("like", user, movie, when)
    world.build("06-04")
    return world.store_path


@pytest.fixture
def store(published):
    with FeatureStore.open(published) as opened:
        yield opened


@pytest.fixture
def own_copy(published, tmp_path):
    return shutil.copy(published, tmp_path / "copy.duckdb")


def test_its_path_and_the_lakes_may_hold_what_the_settings_allow(make_world, tmp_path):
    world = make_world(tmp_path / "50 % 'of' #1 {a}*;é")
    world.act("like", 1, 10, "06-01")
    assert len(world.frame("06-04")) == 1
    assert world.store_path.is_file()


def test_schemas_are_the_declared_ones(store):
    assert store.get_training_frame().schema.equals(schemas.TRAINING_FRAME)
    assert store.get_user_features().schema.equals(schemas.USER_FEATURES)
    assert store.get_movie_features().schema.equals(schemas.MOVIE_FEATURES)


def test_earlier_as_of_leaves_out_later_rows(store):
    def users(as_of):
        return store.get_training_frame(as_of).column("user_id").to_pylist()

    assert users(None) == [1, 2, 3]
    assert users(datetime(2026, 6, 2, 12, tzinfo=UTC)) == [1]  # the bound itself is out
    assert users(datetime(2026, 6, 2, 12, 0, 1, tzinfo=UTC)) == [1, 2]
    assert users(datetime(2026, 5, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize("rows_at_once", [1, 2, 500_000])
def test_batches_one_after_the_other_are_the_frame(store, rows_at_once, monkeypatch):
    monkeypatch.setattr(store_module, "_ROWS_AT_ONCE", rows_at_once)
    for as_of in (None, datetime(2026, 6, 2, 13, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)):
        batches = list(store.read_training_frame(as_of, batch_rows=1))
        assert all(batch.num_rows == 1 for batch in batches)
        whole = store.get_training_frame(as_of)
        assert pa.Table.from_batches(batches, schemas.TRAINING_FRAME).equals(whole)


def test_some_columns_of_the_frame(store):
    frame = store.get_training_frame(columns=["label", "user_id"])
    assert frame.column_names == ["label", "user_id"]
    [batch] = store.read_training_frame(columns=["user_id"])
    assert batch["user_id"].to_pylist() == [1, 2, 3]
    with pytest.raises(KeyError, match="no_such"):
        store.get_training_frame(columns=["no_such"])


def test_later_as_of_is_refused_and_names_both(store):
    with pytest.raises(ConfigurationError, match=r"2026-06-05T00.*2026-06-04T00"):
        store.get_training_frame(datetime(2026, 6, 5, tzinfo=UTC))


def test_as_of_without_time_zone_is_refused(store):
    with pytest.raises(ConfigurationError, match="time zone"):
        store.get_training_frame(datetime(2026, 6, 2))


def test_rows_by_id_come_sorted_once_and_without_the_unknown(store):
    assert store.get_user_features([3, 1, 3, 99]).column("user_id").to_pylist() == [1, 3]
    assert store.get_movie_features([12, 5]).column("movie_id").to_pylist() == [12]
    assert store.get_user_features([]).num_rows == 0
    assert store.get_user_features([99]).schema.equals(schemas.USER_FEATURES)


def test_rows_from_memory_are_those_of_the_file(store, published):
    with FeatureStore.open(published, entities_in_memory=True) as kept:
        for ids in ([3, 1, 3, 99], [], [99], [-1], None):
            assert kept.get_user_features(ids).equals(store.get_user_features(ids))
            assert kept.get_movie_features(ids).equals(store.get_movie_features(ids))


def test_an_empty_store_in_memory(world):
    world.build("06-01")
    with FeatureStore.open(world.store_path, entities_in_memory=True) as kept:
        assert kept.get_user_features([1]).num_rows == 0


def test_missing_file(tmp_path):
    with pytest.raises(NotReadyError, match=r"none\.duckdb.*movie-recommender features"):
        FeatureStore.open(tmp_path / "none.duckdb")


@pytest.mark.parametrize("keep", [0, 100, 3_000, 15_000])
def test_truncated_file(own_copy, keep):
    own_copy.write_bytes(own_copy.read_bytes()[:keep])
    with pytest.raises(InputDataError, match=r"damaged.*movie-recommender features"):
        FeatureStore.open(own_copy)


def test_file_of_something_else(tmp_path):
    text = tmp_path / "text.duckdb"
    text.write_text("not a database\n" * 1000)
    with pytest.raises(InputDataError, match="movie-recommender features"):
        FeatureStore.open(text)
    foreign = tmp_path / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE snapshots (x INTEGER)")
    with pytest.raises(InputDataError, match="movie-recommender features"):
        FeatureStore.open(foreign)


@pytest.mark.parametrize(("found", "remedy"), [(99, "Upgrade"), (1, "older.*Build it")])
def test_file_of_another_version(own_copy, found, remedy):
    with duckdb.connect(str(own_copy)) as connection:
        connection.execute(f"UPDATE snapshots SET format = {found}")
        connection.execute("ALTER TABLE snapshots DROP COLUMN checksums")
    with pytest.raises(InputDataError, match=rf"format {found}.*{remedy}"):
        FeatureStore.open(own_copy)


def test_reader_can_neither_write_nor_leave_the_file(store):
    for statement in ("CREATE TABLE store.x (i INTEGER)", "SELECT * FROM read_csv('/etc/passwd')"):
        with pytest.raises(duckdb.Error):
            store._connection.execute(statement)
