"""What DuckDB reads of the lake is what Arrow reads."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from movie_recommender.errors import StorageError
from movie_recommender.features.inputs import Part, everything
from movie_recommender.features.reading import open_topics
from movie_recommender.lake import LakeChanges, LakeIntegrity
from movie_recommender.lake.rows import local_files
from tests.unit.features.past import add_day

LAST = date(2026, 6, 30)


def parts(world) -> dict[str, list[Part]]:
    lake = LakeChanges(world.lake.path)
    return everything(lake, lake.versions())


def rows(new: dict[str, list[Part]], topic: str, last_day: date = LAST) -> pa.Table:
    with duckdb.connect(config={"preserve_insertion_order": True}) as connection:
        open_topics(connection, new, last_day=last_day)
        return connection.sql(f"SELECT * FROM {topic} ORDER BY event_id").to_arrow_table()


def by_arrow(new: dict[str, list[Part]], topic: str) -> pa.Table:
    return new[topic][0].rows.to_table().sort_by("event_id")


@pytest.fixture
def lived(world):
    for number in (1, 2, 3):
        add_day(world, number)
    return world


@pytest.mark.parametrize("topic", ["users", "movies", "interactions"])
def test_the_same_rows_in_the_same_types(lived, topic):
    new = parts(lived)
    assert local_files(new[topic][0].rows, "event_date") is not None
    found = rows(new, topic)
    assert found.schema.names == by_arrow(new, topic).schema.names
    assert found.cast(by_arrow(new, topic).schema).equals(by_arrow(new, topic))


def test_a_column_that_a_file_has_not_is_null(lived):
    for file in Path(lived.lake.path).glob("interactions/event_date=2026-06-02/*.parquet"):
        pq.write_table(pq.ParquetFile(file).read().drop_columns(["session_id"]), file)
    new = parts(lived)
    assert rows(new, "interactions")["session_id"].equals(
        by_arrow(new, "interactions")["session_id"]
    )


def test_files_of_later_days_are_not_opened(lived):
    for file in Path(lived.lake.path).glob("interactions/event_date=2026-06-03/*.parquet"):
        file.write_bytes(b"?")
    days = rows(parts(lived), "interactions", date(2026, 6, 2))["event_date"].unique()
    assert days.to_pylist() == [date(2026, 6, 1), date(2026, 6, 2)]


@pytest.mark.parametrize("name", ["it's", "a*b", "a?b"])
def test_a_directory_with_signs_in_its_name(make_world, tmp_path, name):
    world = make_world(tmp_path / name)
    add_day(world, 1)
    world.land()
    assert rows(parts(world), "interactions").num_rows == 9


def test_a_topic_without_rows(world):
    world.act("like", 1, 11, "06-01")
    world.land()
    new = parts(world)
    assert rows(new, "movies").num_rows == 0
    assert rows(new, "interactions", date(2026, 5, 1)).num_rows == 0


def test_nothing_else_can_be_read(lived):
    with duckdb.connect() as connection:
        open_topics(connection, parts(lived), last_day=LAST)
        with pytest.raises(duckdb.PermissionException):
            connection.sql("SELECT * FROM read_text('/etc/hostname')").fetchall()


def test_rows_that_are_no_such_files_are_left_to_arrow(lived):
    dataset = LakeChanges(lived.lake.path).dataset("interactions")
    assert len(local_files(dataset, "event_date") or []) == len(dataset.files)
    assert local_files(dataset, "ingestion_date") is None
    assert local_files(ds.dataset(dataset.to_table()), "event_date") is None
    day, *_ = dataset.get_fragments()
    other = day.format.make_fragment(
        day.path, day.filesystem, partition_expression=ds.field("event_date") == date(2026, 6, 9)
    )
    elsewhere = ds.FileSystemDataset([other], dataset.schema, day.format, day.filesystem)
    assert local_files(elsewhere, "event_date") is None


@pytest.mark.parametrize("damage", ["cut", "a page", "pages and footer"])
def test_a_damaged_file_of_the_lake_is_named(lived, monkeypatch, damage):
    monkeypatch.setattr(LakeIntegrity, "check", lambda _: None)  # as if it happened afterwards
    [file] = Path(lived.lake.path).glob("interactions/event_date=2026-06-01/*.parquet")
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        n = {"a page": 200, "pages and footer": len(content) // 2}[damage]
        file.write_bytes(content[:4] + bytes(n) + content[4 + n :])
    with pytest.raises(StorageError, match=r"lake can't be read.*DATA_LAKE_PATH"):
        lived.build("06-04")
    assert not lived.store_path.exists()
