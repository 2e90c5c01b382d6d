"""The step: publishing, reuse, crashes, refusals."""

import fcntl
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from movie_recommender.errors import (
    ConcurrentWriteError,
    ConfigurationError,
    InputDataError,
    NotReadyError,
    StorageError,
)
from movie_recommender.features import run
from movie_recommender.lake import LakeIntegrity


def identity(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def tables(world) -> list[object]:
    with world.open() as store:
        return [store.get_training_frame(), store.get_user_features(), store.get_movie_features()]


def leftovers(world) -> list[str]:
    return sorted(p.name for p in world.store_path.parent.iterdir() if ".build-" in p.name)


@pytest.fixture
def small(world):
    world.movie(10, "05-01", "Drama")
    world.user(1, "05-01", age=20)
    world.act("like", 1, 10, "06-01")
    world.act("view", 1, 11, "06-02")
    return world


def test_result_counts_and_names_its_inputs(small):
    result = small.build("06-03")
    assert (result.n_users, result.n_movies, result.n_examples, result.n_positives) == (1, 2, 2, 1)
    assert result.as_of == "2026-06-03T00:00:00+00:00"
    assert set(result.lake_versions) == {"users", "movies", "interactions"}
    assert not result.reused
    with small.open() as store:
        assert store.snapshot.id == result.snapshot_id
        assert store.snapshot.lake_versions == result.lake_versions
        assert store.snapshot.as_of.isoformat() == result.as_of
        assert store.snapshot.row_counts["training_frame"] == 2


def test_same_inputs_again_leave_the_file_untouched(small):
    first = small.build("06-03")
    before = identity(small.store_path)
    again = small.build("06-03")
    assert identity(small.store_path) == before
    assert again.reused
    assert again.snapshot_id == first.snapshot_id


def test_new_events_or_another_day_make_a_new_snapshot(small):
    first = small.build("06-03")
    second = small.build("06-04")
    small.act("like", 1, 12, "06-02")
    third = small.build("06-04")
    assert len({first.snapshot_id, second.snapshot_id, third.snapshot_id}) == 3
    with small.open() as store:
        ids = [snapshot.id for snapshot in store.snapshots()]
    assert ids == [third.snapshot_id, second.snapshot_id, first.snapshot_id]


def test_a_lake_begun_anew_with_equal_versions_is_not_mistaken_for_the_old(small):
    first = small.build("06-03")
    shutil.rmtree(small.lake.path)
    small.act("like", 5, 5, "06-01")
    small.movie(5, "06-01")
    small.user(5, "06-01")
    second = small.build("06-03")
    assert second.lake_versions == first.lake_versions
    assert not second.reused
    assert second.n_examples == 1


def test_older_lake_versions_hide_what_arrived_later(small):
    first = small.build("06-03")
    small.act("like", 1, 12, "06-01")  # happened before as_of, arrived after the first build
    assert small.build("06-03").n_examples == 3
    before = small.build("06-03", lake_versions=first.lake_versions)
    assert (before.n_examples, before.snapshot_id) == (2, first.snapshot_id)


def test_lake_version_that_does_not_exist(small):
    small.land()
    with pytest.raises(NotReadyError, match="99"):
        small.build("06-03", lake_versions={"interactions": 99})


def test_input_order_does_not_matter(make_world, tmp_path):
    one, other = make_world(tmp_path / "one"), make_world(tmp_path / "other")
    acts = [
        ("rating", 1, 10, "06-01", {"rating": 0.7}),
        ("rating", 1, 11, "06-01", {"rating": 3.3}),
        ("rating", 2, 10, "06-02", {"rating": 4.1}),
        ("like", 2, 11, "06-02", {}),
        ("view", 2, 12, "06-02", {}),
        ("view", 3, 10, "06-02", {}),
    ]
    for target, order in ((one, acts), (other, acts[::-1])):
        target.movie(10, "05-01", "A", "B")
        target.movie(11, "05-01", "B")
        for kind, user, movie, when, fields in order:
            target.act(kind, user, movie, when, **fields)
            target.land()  # one file each, so that the lake's order differs too
        target.build("06-03")
    assert all(a.equals(b) for a, b in zip(tables(one), tables(other), strict=True))


def test_empty_lake_makes_a_valid_empty_store(world):
    result = world.build("06-03")
    assert (result.n_users, result.n_examples, result.lake_versions) == (0, 0, {})
    assert [table.num_rows for table in tables(world)] == [0, 0, 0]


def test_only_dead_letters_do_not_count_as_an_input(small):
    result = small.build("06-03")
    again = small.build("06-03", lake_versions=result.lake_versions | {"dead_letters": 7})
    assert again.reused


KILLED_BUILD = """
import os, signal, sys
from datetime import datetime
from movie_recommender.features import publishing, run
from movie_recommender.settings import Settings

publishing.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = Settings(data_lake_path=sys.argv[1], feature_store_path=sys.argv[2])
run(settings, as_of=datetime.fromisoformat("2026-06-04T00:00:00+00:00"), threads=1)
"""


def test_kill_between_build_and_rename_leaves_the_old_store(small, caplog):
    first = small.build("06-03")
    before = identity(small.store_path)
    arguments = [sys.executable, "-c", KILLED_BUILD, small.lake.path, str(small.store_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert identity(small.store_path) == before
    assert len(leftovers(small)) == 1
    unrelated = small.store_path.parent / ".other.duckdb.build-1"
    unrelated.mkdir()
    second = small.build("06-04")
    assert second.snapshot_id != first.snapshot_id
    assert leftovers(small) == [unrelated.name]
    assert "killed build" in caplog.text


@pytest.mark.parametrize("limit", range(0, 480_000, 40_000))
def test_full_disk_leaves_the_old_store(small, limit):
    """Wherever in the build the room ends: in the file, its log, or the last write."""
    small.build("06-03")
    before = identity(small.store_path)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # no file may grow beyond this
    try:
        with pytest.raises(StorageError, match=r"features.*Free space"):
            small.build("06-04")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert identity(small.store_path) == before
    assert leftovers(small) == []


def test_a_disk_without_room_leaves_the_old_store(make_world, small_disk):
    world = make_world(small_disk)
    world.build("06-03")
    before = identity(world.store_path)
    ballast = small_disk / "ballast"
    stat = os.statvfs(small_disk)
    free = stat.f_bavail * stat.f_frsize
    refused = 0
    for left in (*range(0, 40_000, 4096), *range(100_000, 1_600_000, 100_000)):
        ballast.write_bytes(bytes(free - left))
        try:
            world.build("06-04")
        except StorageError as error:
            refused += 1
            assert "Free space" in str(error)  # noqa: PT017 - some sizes suffice
            assert identity(world.store_path) == before
        else:
            break
        finally:
            ballast.unlink()
    assert refused > 3


def test_a_broken_rule_keeps_the_old_store_and_says_why(small):
    for user in range(20):
        small.act("like", user, 10, "06-01")
    first = small.build("06-03")
    small.lake.delete("interactions", "user_id > 3")  # without a word to anybody
    with pytest.raises(InputDataError, match=r"rows_kept\.training_frame is broken: .* rows"):
        small.build("06-03")
    page = Path(first.page).read_text()
    assert "Not fit to be published: " in page
    assert "rows_kept.training_frame" in page
    with small.open() as store:
        assert store.snapshot.id == first.snapshot_id
    assert leftovers(small) == []


def test_warnings_are_told_again_when_nothing_is_built(small):
    first = small.build("06-09")
    assert [warning for warning in first.warnings if "fresh.newest_event is broken" in warning]
    again = small.build("06-09")
    assert (again.reused, again.warnings) == (True, first.warnings)


def test_drift_is_measured_against_the_named_snapshot(world):
    for user in range(1200):
        world.act("like" if user % 2 else "view", user, user % 50, "06-01")
    first = world.build("06-02")
    assert first.drift == {}
    for user in range(1200):
        world.act("like", user + 2000, user % 50, f"06-09 {user % 3:02}:00")
    second = world.build("06-10", reference_id=first.snapshot_id)
    assert second.drift["hour"] > second.drift["movie_age_days"] == 0
    assert any(warning.startswith("drift.hour is broken: PSI") for warning in second.warnings)
    assert first.snapshot_id in Path(second.page).read_text()
    assert world.build("06-11", reference_id="not there").drift == {}


def test_readers_keep_their_build_while_a_new_one_is_published(small):
    first = small.build("06-03")
    inode = identity(small.store_path)[0]
    with small.open() as reader:
        second = small.build("06-02")
        assert identity(small.store_path)[0] != inode
        assert reader.snapshot.id == first.snapshot_id
        assert reader.get_training_frame().num_rows == 2
        with small.open() as newer:
            assert newer.snapshot.id == second.snapshot_id
            assert newer.get_training_frame().num_rows == 1


def test_second_builder_is_refused(small):
    small.build("06-03")
    lock = small.store_path.parent / f".{small.store_path.name}.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)  # even beside somebody who only looks
        with pytest.raises(ConcurrentWriteError, match=r"store\.duckdb.*run again"):
            small.build("06-04")
    assert not small.build("06-04").reused


@pytest.mark.parametrize("keep", [0, 100_000])
def test_damaged_published_file_is_rebuilt_with_a_warning(small, caplog, keep):
    first = small.build("06-03")
    content = small.store_path.read_bytes()
    assert len(content) > keep
    small.store_path.write_bytes(content[:keep])
    with caplog.at_level(logging.WARNING):
        again = small.build("06-03")
    assert not again.reused
    assert again.snapshot_id == first.snapshot_id
    assert "registry of builds is lost" in caplog.text
    with small.open() as store:
        assert [s.id for s in store.snapshots()] == [first.snapshot_id]


def damage_behind_the_registry(world) -> None:
    """Flip a byte of a block that opening the store doesn't read, but reading its tables does."""
    content = world.store_path.read_bytes()
    for block in range(12_288, len(content), 262_144):  # DuckDB's headers, then its blocks
        damaged = bytearray(content)
        damaged[block + 64] ^= 0xFF
        world.store_path.write_bytes(damaged)
        try:
            with world.open() as store, pytest.raises(InputDataError, match="damaged"):
                store.verify()
        except (InputDataError, pytest.fail.Exception):
            continue  # the registry's own block, or an unused one
        return
    pytest.fail("found no block that only the tables need")


def test_damage_behind_a_readable_registry_is_found_before_reuse(world):
    for user in range(3000):
        world.act("like", user, user % 50, "06-01")
    world.build("06-03")
    damage_behind_the_registry(world)
    assert not world.build("06-03").reused
    with world.open() as store:
        assert store.get_training_frame().num_rows == 3000


def test_parent_directories_are_made(world):
    world.store_path = world.store_path.parent / "a" / "b" / "s.duckdb"
    world.build("06-03")
    assert world.store_path.is_file()


def test_parent_that_is_a_file(world):
    world.store_path.parent.parent.mkdir(exist_ok=True)
    world.store_path.parent.write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"FEATURE_STORE_PATH=.*store\.duckdb"):
        world.build("06-03")


def test_path_that_is_a_directory(world):
    world.store_path.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"FEATURE_STORE_PATH=.*Is a directory"):
        world.build("06-03")


def test_directory_without_write_permission(world):
    if os.geteuid() == 0:
        world.store_path = Path("/proc/features/store.duckdb")  # refuses even root
    else:
        world.store_path.parent.mkdir(parents=True)
        world.store_path.parent.chmod(0o500)
    with pytest.raises(ConfigurationError, match="FEATURE_STORE_PATH"):
        world.build("06-03")


def test_lake_file_that_is_gone(small, monkeypatch):
    small.land()
    for file in Path(small.lake.path).glob("interactions/event_date=2026-06-01/*.parquet"):
        file.unlink()
    with pytest.raises(StorageError, match=r"is damaged: .* is missing"):
        small.build("06-03")
    monkeypatch.setattr(LakeIntegrity, "check", lambda _: None)  # as if it went afterwards
    with pytest.raises(StorageError, match=r"lake can't be read.*DATA_LAKE_PATH"):
        small.build("06-03")
    assert not small.store_path.exists()


def test_days_from_as_of_on_are_not_even_opened(small):
    small.act("like", 1, 12, "06-03")
    small.land()
    for file in Path(small.lake.path).glob("interactions/event_date=2026-06-03/*.parquet"):
        file.write_bytes(b"?" * file.stat().st_size)
    assert small.build("06-03").n_examples == 2


def test_as_of_needs_a_time_zone(small):
    with pytest.raises(ConfigurationError, match="time zone"):
        run(small.settings, as_of=datetime(2026, 6, 3))
