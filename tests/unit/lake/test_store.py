import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from movie_recommender import events
from movie_recommender.errors import ConcurrentWriteError, NotReadyError, StorageError
from movie_recommender.lake import TABLES, Lake, LakeCare, app_id, table_schema

NOW = datetime(2026, 2, 1, tzinfo=UTC)
APP = app_id("users", 0)


def users(first: int, n: int, day: date = date(2026, 1, 31)) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "event_id": f"user-{user_id}-{os.urandom(8).hex()}",
                "event_type": "user",
                "event_time": datetime(day.year, day.month, day.day, tzinfo=UTC),
                "schema_version": 1,
                "user_id": user_id,
                "kafka_topic": "users",
                "kafka_partition": 0,
                "kafka_offset": user_id,
                "ingestion_time": NOW,
                "event_date": day,
            }
            for user_id in range(first, first + n)
        ],
        schema=events.lake_schema("users"),
    )


def user_ids(lake: Lake) -> list[int]:
    return sorted(lake.dataset("users").to_table()["user_id"].to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "not" / "there" / "yet"))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_does_not_exist_is_empty(lake: Lake, table: str) -> None:
    assert lake.dataset(table).to_table() == table_schema(table).empty_table()
    assert lake.version(table) is None
    assert lake.count(table) == 0
    assert lake.offsets(table, "users", range(3)) == {}
    assert lake.versions() == {}


def test_rows_and_offsets_arrive_together(lake: Lake) -> None:
    version = lake.append("users", users(0, 2), {APP: 2})
    assert user_ids(lake) == [0, 1]
    assert lake.offsets("users", "users", range(3)) == {0: 2}
    assert lake.versions() == {"users": version}
    assert lake.count("users") == 2
    assert lake.dataset("users").schema == events.lake_schema("users")


def test_offsets_advance_without_rows(lake: Lake) -> None:
    lake.append("users", users(0, 2), {APP: 2})
    lake.append("users", users(0, 0), {APP: 5, app_id("users", 1): 0}, expected={APP: 2})
    assert lake.offsets("users", "users", range(3)) == {0: 5, 1: 0}
    assert user_ids(lake) == [0, 1]


def test_an_older_version_is_still_there(lake: Lake) -> None:
    first = lake.append("users", users(0, 2), {APP: 2})
    lake.append("users", users(2, 3), {APP: 5})
    assert lake.dataset("users", first).count_rows() == 2
    assert lake.dataset("users").count_rows() == 5


@pytest.mark.parametrize("version", [-1, 7])
def test_a_version_that_does_not_exist_is_named(lake: Lake, version: int) -> None:
    with pytest.raises(NotReadyError, match=f"Version {version} of lake table .*newest is None"):
        lake.dataset("users", version)
    lake.append("users", users(0, 1), {APP: 1})
    with pytest.raises(NotReadyError, match=f"Version {version} of lake table .*newest is 1"):
        lake.dataset("users", version)


def test_only_the_wanted_dates_are_opened(lake: Lake) -> None:
    days = [date(2026, 1, day) for day in (1, 2, 3)]
    lake.append("users", pa.concat_tables(users(i, 1, day) for i, day in enumerate(days)), {APP: 3})
    wanted = lake.dataset("users", dates=days[:2])
    assert len(list(wanted.get_fragments())) == 2
    assert sorted(wanted.to_table()["event_date"].to_pylist()) == days[:2]
    assert lake.dataset("users", dates=[]).count_rows() == 0


def test_a_table_whose_files_hold_deleted_rows_is_refused(lake: Lake) -> None:
    DeltaTable.create(
        f"{lake.path}/users",
        schema=table_schema("users"),
        partition_by=["event_date"],
        configuration={"delta.enableDeletionVectors": "true"},
    )
    with pytest.raises(StorageError, match="deletionVectors"):
        lake.dataset("users")


def test_what_another_has_committed_is_seen_at_once(lake: Lake) -> None:
    other = Lake(lake.path)
    assert (lake.version("users"), other.version("users")) == (None, None)
    for n in (1, 2, 3):
        (lake if n % 2 else other).append("users", users(n, 1), {APP: n})
        assert lake.offsets("users", "users", [0]) == other.offsets("users", "users", [0]) == {0: n}
        assert user_ids(lake) == user_ids(other) == list(range(1, n + 1))


def test_rows_computed_from_older_offsets_are_refused(lake: Lake) -> None:
    lake.append("users", users(0, 2), {APP: 2}, expected={})
    with pytest.raises(ConcurrentWriteError, match=r"users-0 is at 2, not None.*Run it again"):
        lake.append("users", users(0, 2), {APP: 2}, expected={})
    assert user_ids(lake) == [0, 1]


def test_a_commit_between_comparing_and_writing_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append("users", users(0, 2), {APP: 2})
    compare = Lake._compare

    def faster_other(self: Lake, *args: object) -> None:
        compare(self, *args)
        monkeypatch.setattr(Lake, "_compare", compare)
        Lake(lake.path).append("users", users(2, 1), {APP: 3}, expected={APP: 2})

    monkeypatch.setattr(Lake, "_compare", faster_other)
    with pytest.raises(ConcurrentWriteError, match="nothing was written"):
        lake.append("users", users(2, 1), {APP: 3}, expected={APP: 2})
    assert user_ids(lake) == [0, 1, 2]


@pytest.mark.parametrize("round_", range(5))
def test_of_racing_writers_exactly_one_wins(lake: Lake, round_: int) -> None:
    """The table doesn't exist yet: they also race to create it."""

    def write(writer: int) -> bool:
        try:
            Lake(lake.path).append("users", users(writer, 1), {APP: 1}, expected={})
        except ConcurrentWriteError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 1
    assert len(user_ids(lake)) == 1


def test_a_commit_keeps_its_notes(lake: Lake) -> None:
    lake.append("users", users(0, 0), {APP: 9}, notes={"accepted_data_loss": "users[0]"})
    opened = lake._open("users")
    assert opened is not None
    assert opened.history(1)[0]["accepted_data_loss"] == "users[0]"


def test_a_lake_in_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StorageError, match=r"Can't write lake table '.*file/users'.*DATA_LAKE_PATH"
    ):
        Lake(str(tmp_path / "file")).append("users", users(0, 1), {APP: 1})


def test_a_full_disk_leaves_the_last_version(small_disk: Path) -> None:
    lake = Lake(str(small_disk / "lake"))
    lake.append("users", users(0, 100), {APP: 100})
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    ballast.write_bytes(bytes(free - 64 * 1024))
    with pytest.raises(StorageError, match="Free space"):
        lake.append("users", users(100, 5000), {APP: 5100}, expected={APP: 100})
    assert user_ids(lake) == list(range(100))
    assert lake.offsets("users", "users", [0]) == {0: 100}
    ballast.unlink()
    lake.append("users", users(100, 5000), {APP: 5100}, expected={APP: 100})
    assert user_ids(lake) == list(range(5100))


def test_after_a_deletion_the_other_rows_are_found_by_text(lake: Lake) -> None:
    lake.append("users", users(0, 3), {APP: 3})
    lake.delete("users", "user_id = 1 OR device = 'tv'")
    found = lake.dataset("users").to_table(filter=pc.field("event_type") == "user")
    assert sorted(found["user_id"].to_pylist()) == [0, 2]
    assert lake.offsets("users", "users", [0]) == {0: 3}


@pytest.fixture
def _without_device(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = events.USERS
    fields = tuple(field for field in contract.fields if field.name != "device")
    older = dataclasses.replace(contract, fields=fields)
    monkeypatch.setitem(events.CONTRACTS, "users", older)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_without_device")
def test_a_wider_contract_widens_the_table(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("users", users(0, 2), {APP: 2})
    assert "device" not in lake.dataset("users").schema.names
    monkeypatch.undo()
    assert lake.dataset("users").to_table()["device"].to_pylist() == [None, None]
    newer = users(2, 1)
    position = newer.column_names.index("device")
    lake.append("users", newer.set_column(position, "device", pa.array(["tv"])), {APP: 3})
    devices = lake.dataset("users").to_table().sort_by("user_id")["device"].to_pylist()
    assert devices == [None, None, "tv"]


def test_a_table_wider_than_the_contract_is_read_written_and_rewritten(
    lake: Lake, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = users(0, 1)
    position = rows.column_names.index("device")
    lake.append("users", rows.set_column(position, "device", pa.array(["tv"])), {APP: 1})
    request.getfixturevalue("_without_device")
    lake.append("users", users(1, 1), {APP: 2})
    LakeCare(lake.path).rewrite("users", date(2026, 1, 31), order_by=["user_id"])
    assert user_ids(lake) == [0, 1]
    monkeypatch.undo()
    assert lake.dataset("users").to_table()["device"].to_pylist() == ["tv", None]


def test_what_a_killed_writer_left_goes_once_it_is_old(lake: Lake) -> None:
    care = LakeCare(lake.path)
    care.append("users", users(0, 2), {APP: 2})
    landed = next(Path(lake.path).glob("users/event_date=*/*.parquet"))
    old, young = landed.with_name("old.parquet"), landed.with_name("young.parquet")
    for left in (old, young):
        left.write_bytes(landed.read_bytes())
    month_ago = time.time() - 30 * 86_400
    for path in (old, landed):
        os.utime(path, (month_ago, month_ago))
    assert care.vacuum("users", timedelta(days=7)) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert user_ids(care) == [0, 1]
