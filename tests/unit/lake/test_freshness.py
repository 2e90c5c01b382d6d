from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.errors import StorageError
from movie_recommender.lake import DEAD_LETTERS, Freshness, LakeCare, LakeFreshness

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def views(*moments: tuple[datetime, datetime]) -> pa.Table:
    """A view for each (event time, ingestion time)."""
    rows = [
        {
            **dict.fromkeys(events.lake_schema("interactions").names),
            "event_id": f"e{number}-{landed}",
            "event_type": "view",
            "event_time": happened,
            "schema_version": 1,
            "user_id": 1,
            "kafka_topic": "interactions",
            "kafka_partition": 0,
            "kafka_offset": number,
            "ingestion_time": landed,
            "event_date": happened.date(),
        }
        for number, (happened, landed) in enumerate(moments)
    ]
    return pa.Table.from_pylist(rows, schema=events.lake_schema("interactions"))


@pytest.fixture
def lake(tmp_path: Path) -> LakeFreshness:
    return LakeFreshness(str(tmp_path / "lake"))


def test_the_newest_of_all_files_counts(lake: LakeFreshness) -> None:
    late = NOON - 50 * HOUR
    lake.append("interactions", views((NOON, NOON + HOUR), (late, NOON + HOUR)), {})
    lake.append("interactions", views((late, NOON + 2 * HOUR)), {})
    newest = lake.freshness("interactions")
    assert newest == Freshness(2, 3, NOON, NOON + 2 * HOUR)


def test_a_rewrite_changes_only_the_version(lake: LakeFreshness) -> None:
    for hour in range(3):
        lake.append("interactions", views((NOON, NOON + hour * HOUR)), {})
    before = lake.freshness("interactions")
    LakeCare(lake.path).rewrite("interactions", NOON.date(), order_by=["event_id"])
    after = lake.freshness("interactions")
    assert before is not None
    assert after is not None
    assert after.version > before.version
    assert (after.rows, after.newest_event, after.newest_arrival) == (3, NOON, NOON + 2 * HOUR)


def test_without_rows_nothing_is_newest(lake: LakeFreshness) -> None:
    assert lake.freshness("interactions") is None
    lake.append("interactions", views(), {})
    found = lake.freshness("interactions")
    assert found is not None
    assert (found.rows, found.newest_event, found.newest_arrival) == (0, None, None)


def test_dead_letters_have_an_arrival_and_no_event_time(lake: LakeFreshness) -> None:
    letter = {
        "kafka_topic": "users",
        "kafka_partition": 0,
        "kafka_offset": 1,
        "reason": "malformed",
        "detail": "…",
        "ingestion_time": NOON,
        "ingestion_date": NOON.date(),
    }
    lake.append(DEAD_LETTERS, pa.Table.from_pylist([letter], schema=events.DEAD_LETTERS), {})
    assert lake.freshness(DEAD_LETTERS) == Freshness(1, 1, None, NOON)


def test_a_damaged_log_is_told(lake: LakeFreshness) -> None:
    lake.append("interactions", views((NOON, NOON)), {})
    (Path(lake.path) / "interactions" / "_delta_log" / f"{0:020}.json").write_text("{")
    with pytest.raises(StorageError, match="interactions"):
        LakeFreshness(lake.path).freshness("interactions")
