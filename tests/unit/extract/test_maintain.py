"""Care for the lake's files changes files only: rows, offsets and old versions stay."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.errors import ConcurrentWriteError
from movie_recommender.extract.maintain import MANY_FILES, maintain
from movie_recommender.lake import Lake, LakeCare, app_id
from movie_recommender.settings import Settings, load_settings

FULL, SPARE = date(2026, 1, 30), date(2026, 1, 31)
APP = app_id("interactions", 0)


def views(first: int, n: int, day: date) -> pa.Table:
    instant = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    rows = [
        {
            "event_id": f"{day}-{number}",
            "event_type": "view",
            "event_time": instant,
            "schema_version": 1,
            "user_id": number * 7919 % 101,
            "movie_id": number,
            "kafka_topic": "interactions",
            "kafka_partition": 0,
            "kafka_offset": number,
            "ingestion_time": instant,
            "event_date": day,
        }
        for number in range(first, first + n)
    ]
    return pa.Table.from_pylist(rows, schema=events.lake_schema("interactions"))


def content(lake: Lake, version: int | None = None) -> list[dict[str, object]]:
    rows = lake.dataset("interactions", version).to_table().to_pylist()
    return sorted(rows, key=lambda row: (row["event_date"], row["kafka_offset"]))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake whose one day lies in many files, the other in two."""
    lake = Lake(str(tmp_path / "lake"))
    for number in range(MANY_FILES):
        lake.append("interactions", views(number * 10, 10, FULL), {APP: (number + 1) * 10})
    for number in range(2):
        lake.append("interactions", views(number * 10, 10, SPARE), {APP: 100 + number})
    return load_settings(data_lake_path=lake.path)


def test_a_day_in_many_files_becomes_one_and_nothing_else_changes(settings: Settings) -> None:
    lake = LakeCare(settings.data_lake_path)
    before, version = content(lake), lake.version("interactions")
    result = maintain(settings, budget_s=60)
    assert result.compacted == {"interactions": [str(FULL)]}
    assert (result.files_removed, result.files_added, result.days_left) == (MANY_FILES, 1, 0)
    assert lake.files_by_date("interactions") == {FULL: 1, SPARE: 2}
    assert content(lake) == before
    assert lake.offsets("interactions", "interactions", [0]) == {0: 101}
    assert content(lake, version) == before, "old versions can be read for the retention"
    assert result.files_deleted == 0


def test_rows_of_one_user_lie_together_afterwards(settings: Settings) -> None:
    maintain(settings, budget_s=60)
    table = LakeCare(settings.data_lake_path).dataset("interactions", dates=[FULL]).to_table()
    users = table["user_id"].to_pylist()
    assert users == sorted(users)


def test_a_second_call_finds_nothing_to_do(settings: Settings) -> None:
    maintain(settings, budget_s=60)
    version = LakeCare(settings.data_lake_path).version("interactions")
    assert maintain(settings, budget_s=60).compacted == {}
    assert LakeCare(settings.data_lake_path).version("interactions") == version


def test_beyond_its_budget_it_begins_nothing(settings: Settings) -> None:
    result = maintain(settings, budget_s=0)
    assert (result.compacted, result.days_left) == ({}, 1)


def test_an_empty_lake_needs_no_care(tmp_path: Path) -> None:
    assert maintain(load_settings(data_lake_path=str(tmp_path)), budget_s=60).compacted == {}


def test_of_two_cares_at_once_one_gives_way(settings: Settings) -> None:
    lake = LakeCare(settings.data_lake_path)
    before = content(lake)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: maintain(settings, budget_s=60), range(4)))
    assert sum(len(result.compacted) for result in results) == 1
    assert content(lake) == before


def test_what_lands_meanwhile_stays(settings: Settings) -> None:
    lake = LakeCare(settings.data_lake_path)

    def land() -> None:
        for number in range(10):
            rows = views(1000 + number, 1, FULL)
            lake.append("interactions", rows, {APP: 1001 + number})

    before = len(content(lake))
    with ThreadPoolExecutor(3) as pool:
        works = [pool.submit(land), *(pool.submit(maintain, settings, budget_s=60) for _ in "ab")]
        for work in works:
            work.result()
    assert len(content(lake)) == before + 10
    assert lake.offsets("interactions", "interactions", [0]) == {0: 1010}


def test_deleted_rows_do_not_come_back_by_a_rewrite_at_once(settings: Settings) -> None:
    lake = LakeCare(settings.data_lake_path)

    def until_done(work: Callable[[], object]) -> None:
        while True:
            with contextlib.suppress(ConcurrentWriteError):
                work()
                return

    for offset in range(6):
        with ThreadPoolExecutor(2) as pool:
            works = [
                pool.submit(
                    until_done, lambda: lake.rewrite("interactions", FULL, order_by=["user_id"])
                ),
                pool.submit(
                    until_done,
                    lambda offset=offset: lake.delete("interactions", f"kafka_offset = {offset}"),
                ),
            ]
            for work in works:
                work.result()
    left = [row["kafka_offset"] for row in content(lake) if row["event_date"] == FULL]
    assert left == list(range(6, MANY_FILES * 10))
