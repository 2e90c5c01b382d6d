"""Files written row group by row group are Delta's own, to whoever reads the table."""

import errno
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from movie_recommender import events
from movie_recommender.errors import ConcurrentWriteError
from movie_recommender.lake import DEAD_LETTERS, LakeCare, care, order
from movie_recommender.lake.files import write_day
from movie_recommender.lake.tables import table_schema

DAY = date(2026, 1, 30)


def interactions(n: int, **more: object) -> pa.Table:
    """`n` rows of one day, with texts, instants, fractions and nulls."""
    began = datetime(2026, 1, 30, 12, 0, 0, 123_000, tzinfo=UTC)
    rows = [
        {
            "event_id": f"{i:04d}",
            "event_type": "watch",
            "event_time": began + timedelta(seconds=i),
            "schema_version": 1,
            "user_id": n - i,
            "movie_id": None if i % 3 else i,
            "fraction": i / n,
            "query": "é" * 80,
            "kafka_topic": "interactions",
            "kafka_partition": 0,
            "kafka_offset": i,
            "ingestion_time": began,
            "event_date": DAY,
            **more,
        }
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=events.lake_schema("interactions"))


def reader(rows: pa.Table) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())


@pytest.fixture
def lake(tmp_path: Path) -> LakeCare:
    """A day in four files."""
    lake = LakeCare(str(tmp_path / "lake"))
    rows = interactions(40)
    for part in range(4):
        lake.append("interactions", rows.slice(part * 10, 10), {})
    return lake


def test_the_log_says_of_a_file_what_delta_itself_would(tmp_path: Path) -> None:
    rows = interactions(20)
    write_deltalake(str(tmp_path / "peer"), rows, partition_by=["event_date"])
    lake = LakeCare(str(tmp_path / "lake"))
    for part in (rows.slice(0, 7), rows.slice(7)):
        lake.append("interactions", part, {})
    lake.rewrite("interactions", DAY, order_by=["event_id"])
    theirs, ours = (
        pa.table(DeltaTable(str(path)).get_add_actions(flatten=True)).to_pylist()[0]
        for path in (tmp_path / "peer", tmp_path / "lake" / "interactions")
    )
    # Of long texts delta-rs keeps a shortened bound; here there is none.
    said = theirs.keys() - {"path", "size_bytes", "modification_time", "min.query", "max.query"}
    assert {name: ours.get(name) for name in said} == {name: theirs[name] for name in said}


def test_whoever_leaves_out_files_by_their_bounds_finds_all_rows(lake: LakeCare) -> None:
    rows = lake.dataset("interactions").to_table().sort_by("event_id")
    lake.rewrite("interactions", DAY, order_by=["user_id"])
    table = DeltaTable(f"{lake.path}/interactions")
    last = rows["event_time"][-1].as_py()
    for condition, count in (
        ("user_id = 1", 1),
        ("user_id > 40", 0),
        ("movie_id IS NULL", 26),
        (f"event_time >= '{last.isoformat()}'", 1),
        ("event_date = '2026-01-30'", 40),
    ):
        found = QueryBuilder().register("t", table).execute(f"SELECT * FROM t WHERE {condition}")
        assert pa.table(found.read_all()).num_rows == count, condition
    assert lake.dataset("interactions").to_table().sort_by("event_id").equals(rows)


def test_a_rewritten_day_is_no_change_of_data(lake: LakeCare) -> None:
    assert lake.rewrite("interactions", DAY, order_by=["user_id"]) == (4, 1)
    log = Path(lake.path, "interactions/_delta_log/00000000000000000005.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    changes = [
        action[kind]["dataChange"]
        for action in actions
        for kind in ("add", "remove")
        if kind in action
    ]
    assert changes == [False] * 5
    assert lake.dataset("interactions", 4).count_rows() == 40


def test_rows_that_land_meanwhile_stay(lake: LakeCare, monkeypatch: pytest.MonkeyPatch) -> None:
    late = interactions(1, event_id="late")

    def overtaken(*arguments: object, **options: object) -> object:
        LakeCare(lake.path).append("interactions", late, {})
        return write_day(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(care, "write_day", overtaken)
    lake.rewrite("interactions", DAY, order_by=["user_id"])
    assert lake.dataset("interactions").count_rows() == 41


def test_of_two_at_once_one_gives_way(lake: LakeCare, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.undo()
        LakeCare(lake.path).rewrite("interactions", DAY, order_by=["user_id"])
        return write_day(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(care, "write_day", overtaken)
    with pytest.raises(ConcurrentWriteError):
        lake.rewrite("interactions", DAY, order_by=["user_id"])
    assert lake.dataset("interactions").count_rows() == 40


def test_each_piece_is_a_row_group(lake: LakeCare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "_PIECE_ROWS", 20)
    lake.rewrite("interactions", DAY, order_by=["user_id"])
    [path] = lake.dataset("interactions").files
    written = pq.ParquetFile(Path(lake.path, "interactions", path)).metadata
    assert [written.row_group(i).num_rows for i in range(written.num_row_groups)] == [20, 20]


def test_large_values_of_dead_letters_are_not_repeated_as_bounds(tmp_path: Path) -> None:
    large = b"x" * 100_000
    row = {
        "kafka_topic": "users",
        "kafka_partition": 0,
        "kafka_offset": 0,
        "key": b"k",
        "value": large,
        "reason": "malformed_json",
        "detail": "not JSON",
        "ingestion_time": datetime(2026, 1, 30, tzinfo=UTC),
        "ingestion_date": DAY,
    }
    letters = pa.Table.from_pylist([row], schema=table_schema(DEAD_LETTERS))
    action = write_day(str(tmp_path), DEAD_LETTERS, DAY, reader(letters), data_change=True)
    assert action is not None
    assert len(action.stats) < 1000
    assert action.size < 10_000


def test_without_rows_there_is_no_file(tmp_path: Path) -> None:
    none = reader(interactions(1).slice(0, 0))
    assert write_day(str(tmp_path), "interactions", DAY, none, data_change=True) is None
    assert list(tmp_path.rglob("*.parquet")) == []


def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from interactions(10).to_batches()
        raise OSError(errno.ENOSPC, "no space left")

    rows = pa.RecordBatchReader.from_batches(events.lake_schema("interactions"), failing())
    with pytest.raises(OSError, match="no space left"):
        write_day(str(tmp_path), "interactions", DAY, rows, data_change=True)
    assert list(tmp_path.rglob("*.parquet")) == []
