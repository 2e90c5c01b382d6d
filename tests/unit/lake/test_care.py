"""A day's rows replaced: in one commit or not at all, and nobody else's is lost."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.errors import ConcurrentWriteError, StorageError
from movie_recommender.lake import Lake, LakeCare, app_id, id_app
from movie_recommender.lake.store import REWRITE

ONE, OTHER = date(2026, 1, 30), date(2026, 1, 31)
ID, OFFSET = id_app("users"), app_id("users", 0)
SCHEMA = events.lake_schema("users")


def users(ids: list[int], day: date, **more: object) -> pa.Table:
    row = {
        "event_type": "user",
        "event_time": datetime(day.year, day.month, day.day, tzinfo=UTC),
        "schema_version": 1,
        "kafka_topic": "users",
        "kafka_partition": 0,
        "ingestion_time": datetime(2026, 2, 1, tzinfo=UTC),
        "event_date": day,
        **more,
    }
    each = [{**row, "event_id": str(i), "user_id": i, "kafka_offset": i} for i in ids]
    return pa.Table.from_pylist(each, schema=SCHEMA)


def reader(rows: pa.Table) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())


def user_ids(lake: Lake, day: date) -> list[int]:
    found = lake.dataset("users", dates=[day]).to_table()["user_id"]
    return sorted(found.to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> LakeCare:
    """Two days of users, and offsets."""
    lake = LakeCare(str(tmp_path / "lake"))
    lake.append("users", users([0, 1], ONE), {ID: 77, OFFSET: 2})
    lake.append("users", users([2, 3], OTHER), {ID: 77, OFFSET: 4})
    return lake


def test_a_day_gets_other_rows_and_all_else_stays(lake: LakeCare) -> None:
    version = lake.version("users")
    assert version is not None
    lake.replace("users", ONE, reader(users([7, 8], ONE)), made_from=version, apps=[ID, OFFSET])
    assert (user_ids(lake, ONE), user_ids(lake, OTHER)) == ([7, 8], [2, 3])
    assert lake.offsets("users", "users", range(2)) == {0: 4}
    assert lake.transaction("users", ID) == 77
    assert lake.dataset("users", version).count_rows() == 4


def test_a_day_is_emptied_and_a_new_one_filled(lake: LakeCare) -> None:
    new = date(2026, 2, 1)
    lake.replace("users", ONE, reader(users([], ONE)), made_from=2, apps=[ID, OFFSET])
    lake.replace("users", new, reader(users([9], new)), made_from=3, apps=[ID, OFFSET])
    assert [user_ids(lake, day) for day in (ONE, OTHER, new)] == [[], [2, 3], [9]]


def test_rows_of_another_day_are_refused(lake: LakeCare) -> None:
    with pytest.raises(ValueError, match="2026-01-30 is of another day"):
        lake.replace("users", ONE, reader(users([9], OTHER)), made_from=2, apps=[ID, OFFSET])
    assert (user_ids(lake, ONE), user_ids(lake, OTHER)) == ([0, 1], [2, 3])


def land(lake: Lake) -> None:
    lake.append("users", users([5], ONE), {OFFSET: 6}, expected={OFFSET: 4})


def land_replayed(lake: Lake) -> None:
    lake.append("users", users([5], ONE), {ID: 77}, unchanged_since=lake.version("users"))


def rewrite(lake: LakeCare) -> None:
    lake.rewrite("users", OTHER, order_by=["user_id"])


def delete(lake: Lake) -> None:
    lake.delete("users", "user_id = 0")


def claim(lake: Lake) -> None:
    version = lake.version("users") or 0
    lake.append("users", users([], ONE), {REWRITE: version}, unchanged_since=version)


OTHERS = pytest.mark.parametrize("other", [land, land_replayed, rewrite, delete, claim])


@OTHERS
def test_what_was_committed_since_makes_it_give_way(
    lake: LakeCare, other: Callable[[Lake], None]
) -> None:
    version = lake.version("users")
    assert version is not None
    other(LakeCare(lake.path))
    found = user_ids(lake, ONE)
    with pytest.raises(ConcurrentWriteError, match="nothing was written"):
        lake.replace("users", ONE, reader(users([7], ONE)), made_from=version, apps=[ID, OFFSET])
    assert user_ids(lake, ONE) == found


@OTHERS
def test_what_is_committed_meanwhile_makes_it_give_way(
    lake: LakeCare, other: Callable[[Lake], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = LakeCare._refuse_unknown

    def overtaken(self: LakeCare, table: str, columns: set[str]) -> None:
        other(LakeCare(lake.path))
        check(self, table, columns)

    with monkeypatch.context() as patch:
        patch.setattr(LakeCare, "_refuse_unknown", overtaken)
        with pytest.raises(ConcurrentWriteError, match="nothing was written"):
            lake.replace("users", ONE, reader(users([7], ONE)), made_from=2, apps=[ID, OFFSET])
    assert 7 not in user_ids(lake, ONE)


def test_what_is_committed_meanwhile_to_another_day_is_noticed_by_the_next(
    lake: LakeCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            LakeCare,
            "_refuse_unknown",
            lambda *_: Lake.append(lake, "users", users([5], OTHER), {}),
        )
        lake.replace("users", ONE, reader(users([7], ONE)), made_from=2, apps=[ID, OFFSET])
    with pytest.raises(ConcurrentWriteError, match="version 4, not 3"):
        lake.replace("users", OTHER, reader(users([8], OTHER)), made_from=3, apps=[ID, OFFSET])
    assert (user_ids(lake, ONE), user_ids(lake, OTHER)) == ([7], [2, 3, 5])


@pytest.mark.parametrize("day", [ONE, date(2026, 2, 1)])
@pytest.mark.parametrize("other", [land, land_replayed])
def test_who_began_before_and_commits_after_it_gives_way(
    lake: LakeCare, other: Callable[[Lake], None], day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extraction has looked at the lake's rows to see what is a duplicate."""
    create = Lake._create

    def overtaken(self: Lake, table: str) -> object:
        opened = create(self, table)
        lake.replace("users", day, reader(users([5, 7], day)), made_from=2, apps=[ID, OFFSET])
        return opened

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "_create", overtaken)
        with pytest.raises(ConcurrentWriteError, match="nothing was written"):
            other(Lake(lake.path))
    assert user_ids(lake, day) == [5, 7]


def test_columns_that_a_newer_version_added_are_not_emptied(
    lake: LakeCare,
) -> None:
    older = users([7], ONE).drop(["device"])
    with pytest.raises(StorageError, match=r"columns .*\(device\)"):
        lake.replace("users", ONE, reader(older), made_from=2, apps=[ID, OFFSET])
    assert user_ids(lake, ONE) == [0, 1]


def test_new_columns_widen_the_table(lake: LakeCare) -> None:
    rows = users([7], ONE, device="tv")
    wider = rows.append_column("new", pa.array(["x"]))
    lake.replace("users", ONE, reader(wider), made_from=2, apps=[ID, OFFSET])
    opened = lake._load("users")
    assert [field.name for field in opened.schema().fields][-1] == "new"
    assert (user_ids(lake, ONE), user_ids(lake, OTHER)) == ([7], [2, 3])
