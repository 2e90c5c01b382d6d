"""The lake, the feature store and the disk, where they are directories."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from movie_recommender.doctor import Case, disk, lake, store
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.lake import Lake, table_schema

Make = Callable[..., Case]


def test_the_nearest_directory_is_the_one_that_is_there(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    assert nearest(tmp_path) == tmp_path


def test_trying_leaves_nothing_behind(tmp_path: Path) -> None:
    assert write_problem(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_lake_that_is_not_there_yet_can_be_made(case: Make, tmp_path: Path) -> None:
    place, tables = lake.check(case())
    assert place.status == "ok"
    assert f"{tmp_path} can be written" in place.seen
    assert (tables.status, tables.seen) == ("warn", "there is no table yet")


def test_a_lakes_tables_are_told_with_their_versions(case: Make, tmp_path: Path) -> None:
    there = Lake(str(tmp_path / "lake"))
    there.append("users", pa.Table.from_pylist([], table_schema("users")), {"t-0": 1})
    place, tables = lake.check(case())
    assert (place.status, tables.status) == ("ok", "ok")
    assert f"users at {there.version('users')}" in tables.seen


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_rights_is_named(case: Make, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir(mode=0o500)
    [place] = lake.check(case())
    assert place.status == "fail"
    assert str(tmp_path / "lake") in place.remedy


def test_a_file_in_the_lakes_place_is_named(case: Make, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("no directory")
    [place] = lake.check(case())
    assert place.status == "fail"
    assert "can't be written: Not a directory" in place.seen


def test_a_full_disk_is_told(case: Make, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"0" * (3 << 20))
    [place] = lake.check(case(data_lake_path=str(small_disk)))
    assert place.status == "fail"
    assert "No space left" in place.seen
    status = {f.seen: f.status for f in disk.check(case(data_lake_path=str(small_disk)))}
    [full] = [value for seen, value in status.items() if str(small_disk) in seen]
    assert full == "fail"


def test_a_damaged_store_is_told_by_the_store(case: Make, tmp_path: Path) -> None:
    examined = case()
    assert store.check(examined)[0].status == "warn"
    path = examined.settings.feature_store_path
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)
    from movie_recommender.doctor import examine

    [finding] = examine(examined, {"feature store": store.check})
    assert finding.status == "fail"
    assert str(path) in finding.seen


@pytest.mark.parametrize(("free_gb", "status"), [(0.5, "fail"), (3, "warn"), (50, "ok")])
def test_little_room_is_a_warning_and_none_a_failure(
    case: Make, monkeypatch: pytest.MonkeyPatch, free_gb: float, status: str
) -> None:
    free = SimpleNamespace(free=free_gb * 1e9)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    found = disk.check(case())
    assert {finding.status for finding in found} == {status}
    assert all((finding.remedy == "") == (status == "ok") for finding in found)
