"""The registry: snapshots by name, and what is forgotten of them."""

import fcntl
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from movie_recommender.errors import (
    ConcurrentWriteError,
    ConfigurationError,
    InputDataError,
    NotReadyError,
    StorageError,
)
from movie_recommender.features import history
from tests.unit.features.past import (
    N_DAYS,
    add_day,
    copied,
    cut_log,
    identity,
    live,
    registry,
    vacuum,
)


@pytest.fixture(scope="module")
def lived(make_world, tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("lived") / "w")
    live(world)
    return world


@pytest.fixture
def world(lived, tmp_path):
    """One that a test may change."""
    return copied(lived, tmp_path / "w")


def ids(world) -> list[str]:
    return [snapshot.id for snapshot in registry(world)]


def prune(world, **options) -> history.PruneResult:
    return history.prune(world.settings, **options)


def test_a_name_is_an_id_a_prefix_or_latest(lived):
    known = registry(lived)
    for at, snapshot in enumerate(known):
        assert history.up_to(known, snapshot.id) == known[at:]
        assert history.up_to(known, snapshot.id[:6]) == known[at:]
    assert history.up_to(known, "latest") == known


def test_of_an_id_that_was_built_twice_it_is_the_newest(lived):
    newest, second, *_ = registry(lived)
    known = [second, newest, second]
    assert history.up_to(known, second.id) == known
    assert history.up_to(known, second.id[:8]) == known


def test_a_prefix_of_two_is_refused_and_names_both(lived):
    [one, *_] = registry(lived)
    known = [replace(one, id="abcdef0000000000"), replace(one, id="abcdef1111111111")]
    assert history.up_to(known, "abcdef1") == known[1:]
    with pytest.raises(ConfigurationError, match=r"how 2 ids begin.*abcdef0{10}, abcdef1{10}\."):
        history.up_to(known, "abcdef")


def test_of_many_only_the_newest_are_named(lived):
    [one, *_] = registry(lived)
    known = [replace(one, id=f"{number:016x}") for number in range(9)]
    with pytest.raises(ConfigurationError, match="0004 …") as told:
        history.up_to(known, "ffffff")
    assert f"{5:016x}" not in str(told.value)


def test_the_listing_is_what_the_registry_says(lived):
    shown = history.listing(lived.settings)
    assert [one["id"] for one in shown] == ids(lived)
    assert shown[0]["as_of"] == f"2026-06-0{N_DAYS + 1}T00:00:00+00:00"
    assert (
        shown[-1]["row_counts"]["training_frame"]
        == registry(lived)[-1].row_counts["training_frame"]
    )
    assert set(shown[0]) >= {"lake_versions", "warnings"}


def test_too_old_is_by_the_published_as_of(world):
    newest, second, third, fourth = registry(world)
    result = prune(world, keep_days=1)
    assert [one.id for one in result.forgotten] == [third.id, fourth.id]
    assert result.forgotten[0].as_of == third.as_of.isoformat()
    assert result.forgotten[0].reason == "more than 1 days before the published as_of"
    assert result.kept == ids(world) == [newest.id, second.id]
    assert registry(world) == [newest, second]


def test_the_retention_of_the_lake_is_the_default(world):
    before = identity(world.store_path)
    assert prune(world).forgotten == []
    assert identity(world.store_path) == before
    with duckdb.connect(str(world.store_path)) as connection:
        older = "UPDATE snapshots SET as_of = as_of - INTERVAL {} DAYS WHERE sequence = {}"
        connection.execute(older.format(27, 1))
        connection.execute(older.format(29, 2))
    newest, second, _, fourth = registry(world)
    assert (newest.as_of - fourth.as_of).days == 30
    assert [one.reason for one in prune(world).forgotten] == [
        "more than 30 days before the published as_of"
    ]
    assert fourth.id in ids(world)
    assert second.id in ids(world)


def test_pruning_twice_changes_nothing_more(world):
    first = prune(world, keep_days=1)
    before = identity(world.store_path)
    second = prune(world, keep_days=1)
    assert (second.forgotten, second.kept) == ([], first.kept)
    assert identity(world.store_path) == before


def test_what_is_kept_by_name_stays_and_the_published_always(world):
    newest, _, third, _ = registry(world)
    result = prune(world, keep_days=0, keep=[third.id[:7]])
    assert result.kept == [newest.id, third.id]
    assert prune(world, keep_days=0).kept == [newest.id]


def test_the_rows_stay_and_the_next_day_is_still_an_increment(world):
    with world.open() as store:
        before = (store.get_training_frame(), store.get_user_features(), store.snapshot)
    prune(world, keep_days=0)
    with world.open() as store:
        assert (store.get_training_frame(), store.get_user_features(), store.snapshot) == before
    add_day(world, N_DAYS + 1)
    assert world.build(f"06-{N_DAYS + 2:02}").increment
    added = registry(world)[0]
    assert len(registry(world)) == 2
    world.store_path = world.store_path.with_name("whole.duckdb")
    world.build(f"06-{N_DAYS + 2:02}")
    assert registry(world)[0].checksums == added.checksums


@pytest.mark.parametrize("lost", ["files", "log"])
def test_what_the_lake_can_no_longer_give_is_forgotten(world, lost):
    newest, *older = ids(world)
    if lost == "files":
        vacuum(world, 1)  # every snapshot has rows of that day
    else:
        cut_log(world)
    result = prune(world)
    assert [one.id for one in result.forgotten] == older
    assert result.kept == ids(world) == [newest]
    for one in result.forgotten:
        assert "can't be rebuilt: " in one.reason
        assert "interactions" in one.reason


def test_snapshots_of_a_lake_that_was_begun_anew_are_forgotten(world, tmp_path):
    old = ids(world)
    shutil.rmtree(world.lake.path)
    world.lake = type(world.lake)(world.lake.path)
    add_day(world, 1)
    with pytest.raises(ConfigurationError, match=r"DATA_LAKE_PATH=.*nothing was forgotten"):
        prune(world)
    assert ids(world) == old
    world.build("06-06")
    result = prune(world)
    assert [one.id for one in result.forgotten] == old
    assert "is another table by now" in result.forgotten[0].reason


def test_another_version_of_the_program_can_still_rebuild(world):
    with duckdb.connect(str(world.store_path)) as connection:
        connection.execute("UPDATE snapshots SET code_version = '0.0.1' WHERE sequence = 1")
    assert prune(world).forgotten == []


def test_a_lake_that_cannot_be_read_forgets_nothing(world):
    before = identity(world.store_path)
    log = Path(world.lake.path, "interactions", "_delta_log")
    (log / f"{2:020}.json").write_text("{")
    with pytest.raises(StorageError, match="interactions"):
        prune(world)
    assert identity(world.store_path) == before


def test_an_unknown_snapshot_to_keep(world):
    before = identity(world.store_path)
    with pytest.raises(ConfigurationError, match="0123456789"):
        prune(world, keep_days=0, keep=["0123456789"])
    assert identity(world.store_path) == before


def test_without_a_published_store(world):
    world.store_path.unlink()
    with pytest.raises(NotReadyError, match="no feature store"):
        prune(world)
    world.store_path.write_text("notes")
    with pytest.raises(InputDataError, match="damaged or no feature store"):
        prune(world)


def test_not_while_a_build_is_running(world):
    lock = world.store_path.parent / f".{world.store_path.name}.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConcurrentWriteError, match="run again"):
            prune(world, keep_days=0)


@pytest.mark.parametrize("limit", [0, 100_000, 3_000_000])
def test_a_full_disk_leaves_the_published_file(world, limit):
    before = identity(world.store_path)
    known = ids(world)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageError, match=r"store\.duckdb.*Free space"):
            prune(world, keep_days=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert identity(world.store_path) == before
    assert ids(world) == known


@pytest.mark.parametrize("room", [0, 2000])
def test_a_registry_that_does_not_fit_leaves_the_published_file(world, monkeypatch, room):
    before = identity(world.store_path)

    def limited(file: Path, kept) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            rewrite(file, kept)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    rewrite = history.rewrite
    monkeypatch.setattr(history, "rewrite", limited)
    with pytest.raises(StorageError, match=r"registry of .*Free space"):
        prune(world, keep_days=0)
    assert identity(world.store_path) == before


KILLED = """
import os, signal, sys
from movie_recommender.features import history, publishing
from movie_recommender.settings import Settings

publishing.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = Settings(data_lake_path=sys.argv[1], feature_store_path=sys.argv[2])
history.prune(settings, keep_days=0)
"""


def test_killed_before_the_rename_nothing_is_forgotten(world):
    before = identity(world.store_path)
    arguments = [sys.executable, "-c", KILLED, world.lake.path, str(world.store_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert identity(world.store_path) == before
    assert len(prune(world, keep_days=0).forgotten) == N_DAYS - 1
    assert [p for p in world.store_path.parent.iterdir() if ".build-" in p.name] == []
