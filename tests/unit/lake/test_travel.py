"""What is left of a table's past."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from movie_recommender.errors import StorageError
from movie_recommender.lake import LakeCare, table_schema
from movie_recommender.lake.travel import LakeTravel

LAST = date(2026, 6, 30)


@pytest.fixture
def lake(tmp_path: Path) -> LakeTravel:
    """Versions 1 to 4 each add one interaction, two on each of two days."""
    lake = LakeTravel(str(tmp_path / "lake"))
    schema = table_schema("interactions")
    for number, day in enumerate((1, 1, 2, 2)):
        row = dict.fromkeys(schema.names) | {
            "event_id": f"e{number}",
            "event_type": "view",
            "event_time": datetime(2026, 6, day, 12, tzinfo=UTC),
            "event_date": date(2026, 6, day),
            "schema_version": 1,
            "user_id": number,
            "kafka_topic": "interactions",
            "kafka_partition": 0,
            "kafka_offset": number,
            "ingestion_time": datetime(2026, 6, day, 13, tzinfo=UTC),
        }
        lake.append("interactions", pa.Table.from_pylist([row], schema=schema), {"a": number})
    return lake


def commit(lake: LakeTravel, version: int) -> Path:
    return Path(lake.path, "interactions", "_delta_log", f"{version:020}.json")


def vacuum(lake: LakeTravel, day: int) -> None:
    LakeCare(lake.path).rewrite("interactions", date(2026, 6, day), order_by=["user_id"])
    table = DeltaTable(f"{lake.path}/interactions")
    table.vacuum(0, enforce_retention_duration=False, dry_run=False)


def lost(lake: LakeTravel) -> list[bool]:
    """By version, from 1 on."""
    newest = lake.version("interactions")
    return [
        lake.lost("interactions", version, until=LAST) is not None
        for version in range(1, newest + 1)
    ]


def test_nothing_is_lost_by_a_checkpoint(lake: LakeTravel) -> None:
    DeltaTable(f"{lake.path}/interactions").create_checkpoint()
    assert lost(lake) == [False] * 4


def test_files_that_were_deleted(lake: LakeTravel) -> None:
    vacuum(lake, 2)
    assert lost(lake)[:4] == [False, False, True, True]
    assert not lost(lake)[-1]
    told = lake.lost("interactions", 4, until=LAST)
    assert told is not None
    assert "of the 4 files of version 4 of lake table" in told
    assert "2 are gone, such as event_date=2026-06-02/" in told


def test_files_of_later_days_are_not_wanted(lake: LakeTravel) -> None:
    vacuum(lake, 2)
    assert lake.lost("interactions", 4, until=date(2026, 6, 1)) is None
    assert lake.lost("interactions", 4, until=date(2026, 6, 2)) is not None


def test_a_log_that_was_cut(lake: LakeTravel) -> None:
    DeltaTable(f"{lake.path}/interactions").create_checkpoint()
    newest = DeltaTable(f"{lake.path}/interactions").version()
    for version in range(3):
        commit(lake, version).unlink()
    expected = [version < newest for version in range(1, newest + 1)]
    assert lost(lake) == expected
    told = lake.lost("interactions", 2, until=LAST)
    assert told == (f"Delta's log of version 2 of lake table '{lake.path}/interactions' is gone")


def test_what_is_called_lost_cannot_be_opened_and_the_rest_can(lake: LakeTravel) -> None:
    """The same answer as delta-rs gives, whichever commit is missing."""
    newest = DeltaTable(f"{lake.path}/interactions").version()
    DeltaTable(f"{lake.path}/interactions", version=2).create_checkpoint()
    DeltaTable(f"{lake.path}/interactions").create_checkpoint()
    commit(lake, 1).unlink()
    for version, gone in enumerate(lost(lake), start=1):
        if gone:
            with pytest.raises(StorageError):
                LakeTravel(lake.path).dataset("interactions", version)
        else:
            rows = LakeTravel(lake.path).dataset("interactions", version)
            assert rows.count_rows() == min(version, newest)


def test_a_version_and_a_table_that_never_were(lake: LakeTravel) -> None:
    assert "is gone" in (lake.lost("interactions", 99, until=LAST) or "")
    assert "is gone" in (lake.lost("users", 0, until=LAST) or "")


def test_a_commit_that_is_damaged_is_no_proof_of_loss(lake: LakeTravel) -> None:
    lake.version("interactions")
    commit(lake, 2).write_text("{")
    with pytest.raises(StorageError, match="interactions"):
        lake.lost("interactions", 3, until=LAST)
