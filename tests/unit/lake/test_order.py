"""Rows are ordered piece by piece, and none is lost between pieces."""

import pyarrow as pa
import pytest

from movie_recommender.lake import in_order, order

SCHEMA = pa.schema(
    [("user", pa.int64()), ("genres", pa.list_(pa.string())), ("value", pa.binary())]
)


def batch(*users: int) -> pa.RecordBatch:
    rows = {
        "user": list(users),
        "genres": [[f"g{u}"] for u in users],
        "value": [b"v"] * len(users),
    }
    return pa.RecordBatch.from_pydict(rows, SCHEMA)


def users(*batches: pa.RecordBatch) -> list[int]:
    return in_order(batches, SCHEMA, ["user"]).read_all()["user"].to_pylist()


def test_a_day_of_one_piece_is_ordered_whole() -> None:
    assert users(batch(3, 1), batch(2), batch()) == [1, 2, 3]


@pytest.mark.parametrize(("bound", "value"), [("_PIECE_ROWS", 3), ("_PIECE_BYTES", 20)])
def test_a_large_day_is_ordered_piece_by_piece(
    bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, bound, value)
    found = users(batch(9, 7, 8), batch(3, 1, 2), batch(5))
    assert found == [7, 8, 9, 1, 2, 3, 5]


def test_whole_rows_move() -> None:
    rows = in_order([batch(2, 1)], SCHEMA, ["user"]).read_all()
    assert rows["genres"].to_pylist() == [["g1"], ["g2"]]


def test_no_rows_are_no_rows() -> None:
    assert in_order([], SCHEMA, ["user"]).read_all().schema == SCHEMA


def test_columns_are_cast() -> None:
    narrow = pa.RecordBatch.from_pydict({"user": pa.array([1], pa.int32())})
    assert in_order([narrow], pa.schema([("user", pa.int64())]), ["user"]).schema.types == [
        pa.int64()
    ]
