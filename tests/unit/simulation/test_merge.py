"""Runs are merged into one order, whatever their sizes."""

import tempfile

import numpy as np
import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.errors import StorageError
from movie_recommender.simulation import merge
from movie_recommender.simulation.merge import merged


def run(times: list[int], name: str) -> pa.Table:
    instants = pa.array(sorted(times), pa.int64()).cast(events.INSTANT)
    return pa.table({"time": instants, "run": pa.array([name] * len(times), pa.string())})


@pytest.mark.parametrize("rows_at_once", [1, 7, 64, 50_000])
def test_everything_comes_once_and_in_order(
    rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "ROWS_AT_ONCE", rows_at_once)
    rng = np.random.default_rng(1)
    sizes = {"a": 300, "empty": 0, "b": 1, "c": 170}
    runs = [run(rng.integers(200, size=n).tolist(), name) for name, n in sizes.items()]
    windows = list(merged(runs, "time"))
    whole = pa.concat_tables(windows)
    assert whole["time"].to_pylist() == sorted(pa.concat_tables(runs)["time"].to_pylist())
    for name, n in sizes.items():
        assert whole["run"].to_pylist().count(name) == n
    assert len(windows) == -(-471 // rows_at_once)


def test_nothing_gives_nothing() -> None:
    assert list(merged([], "time")) == []
    assert list(merged([run([], "a")], "time")) == []


def test_no_room_is_an_error_that_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pa, "OSFile", lambda *_: open("/dev/full", "wb", buffering=0))  # noqa: PTH123
    with pytest.raises(StorageError, match=rf"{tempfile.gettempdir()}.*TMPDIR"):
        list(merged([run([1], "a")], "time"))
