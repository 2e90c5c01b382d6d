"""What a power cut can leave of a commit or a file is found before anything is read or added."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from movie_recommender import features
from movie_recommender.errors import StorageError
from movie_recommender.lake import Lake, LakeIntegrity, table_schema
from movie_recommender.settings import load_settings

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows(first: int) -> pa.Table:
    event = {
        "event_type": "view",
        "event_time": TIME,
        "schema_version": 1,
        "user_id": 1,
        "movie_id": 2,
        "kafka_topic": "interactions",
        "kafka_partition": 0,
        "ingestion_time": TIME,
        "event_date": TIME.date(),
    }
    events = [{**event, "event_id": str(n), "kafka_offset": n} for n in range(first, first + 3)]
    return pa.Table.from_pylist(events, schema=table_schema("interactions"))


@pytest.fixture
def lake(tmp_path: Path) -> LakeIntegrity:
    """Two commits of three rows, at offsets 3 and 6."""
    made = LakeIntegrity(str(tmp_path / "lake"))
    for first in (0, 3):
        made.append("interactions", rows(first), {"interactions-0": first + 3})
    return made


def last_commit(lake: Lake) -> Path:
    return max(Path(lake.path, "interactions", "_delta_log").glob("*.json"))


def a_file(lake: Lake) -> Path:
    return max(Path(lake.path, "interactions").rglob("*.parquet"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_behind_a_line(path: Path) -> None:
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]) + b'\n{"add')


def test_a_whole_lake_passes_and_so_does_none(lake: LakeIntegrity, tmp_path: Path) -> None:
    lake.check()
    LakeIntegrity(str(tmp_path / "nothing")).check()
    LakeIntegrity("s3://bucket/lake").check()


@pytest.mark.parametrize("damage", [empty, cut, cut_behind_a_line])
def test_a_damaged_commit_is_named(lake: LakeIntegrity, damage: Callable[[Path], None]) -> None:
    commit = last_commit(lake)
    damage(commit)
    with pytest.raises(StorageError, match=rf"{commit.name} is empty or cut.*extract"):
        lake.check()


def test_an_empty_commit_under_a_later_one_is_named(lake: LakeIntegrity) -> None:
    commit = last_commit(lake)
    empty(commit)
    lake.append("interactions", rows(6), {"interactions-0": 9})
    assert last_commit(lake) != commit
    with pytest.raises(StorageError, match=commit.name):
        lake.check()


@pytest.mark.parametrize(("damage", "says"), [(cut, "bytes, not"), (Path.unlink, "is missing")])
def test_a_damaged_file_is_named(
    lake: LakeIntegrity, damage: Callable[[Path], None], says: str
) -> None:
    path = a_file(lake)
    damage(path)
    with pytest.raises(StorageError, match=rf"{path.name}.* {says}"):
        lake.check()


def test_after_the_remedy_the_offsets_are_those_of_the_rows(lake: LakeIntegrity) -> None:
    empty(last_commit(lake))
    last_commit(lake).unlink()
    lake.check()
    assert lake.offsets("interactions", "interactions", [0]) == {0: 3}
    assert lake.dataset("interactions").count_rows() == 3


def test_a_checkpoint_bounds_what_is_looked_at(lake: LakeIntegrity) -> None:
    DeltaTable(f"{lake.path}/interactions").create_checkpoint()
    empty(last_commit(lake))
    lake.check()
    lake.append("interactions", rows(6), {"interactions-0": 9})
    empty(last_commit(lake))
    with pytest.raises(StorageError, match="is empty or cut"):
        lake.check()


def test_a_damaged_hint_at_the_checkpoint_changes_nothing(lake: LakeIntegrity) -> None:
    (last_commit(lake).parent / "_last_checkpoint").write_bytes(b"{")
    lake.check()
    empty(last_commit(lake))
    with pytest.raises(StorageError, match="is empty or cut"):
        lake.check()


def test_features_are_not_built_from_a_damaged_lake(lake: LakeIntegrity, tmp_path: Path) -> None:
    empty(last_commit(lake))
    settings = load_settings(
        data_lake_path=lake.path, feature_store_path=tmp_path / "features.duckdb"
    )
    with pytest.raises(StorageError, match="is empty or cut"):
        features.run(settings, as_of=TIME)
    assert not settings.feature_store_path.exists()
