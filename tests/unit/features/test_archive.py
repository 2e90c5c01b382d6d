"""Older snapshots built again: the same bits, or an error that says why not."""

import fcntl
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movie_recommender.errors import (
    ConcurrentWriteError,
    ConfigurationError,
    InputDataError,
    NotReadyError,
    StorageError,
)
from movie_recommender.features import FeatureStore, archive, builder, planning
from movie_recommender.lake import LakeIntegrity
from tests.unit.features.past import N_DAYS, copied, cut_log, identity, live, registry, vacuum


@pytest.fixture(scope="module")
def lived(make_world, tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("lived") / "w")
    live(world)
    return world


@pytest.fixture
def world(lived, tmp_path):
    """One that a test may damage."""
    return copied(lived, tmp_path / "w")


def rebuild(world, name: str, to: Path) -> archive.RebuildResult:
    return archive.rebuild(world.settings, name=name, to=to, threads=1)


def content(path: Path) -> list[object]:
    with FeatureStore.open(path) as store:
        return [
            store.snapshots(),
            store.get_training_frame(),
            store.get_user_features(),
            store.get_movie_features(),
        ]


def change_registry(world, assignment: str) -> None:
    """Of the oldest snapshot."""
    with duckdb.connect(str(world.store_path)) as connection:
        connection.execute(f"UPDATE snapshots SET {assignment} WHERE sequence = 1")


def change_in_place(world, table: str, column: str, value: int) -> None:
    """Another value in the first row of the first day's file, without a commit."""
    [file] = Path(world.lake.path).glob(f"{table}/event_date=2026-06-01/*.parquet")
    rows = pq.read_table(file, partitioning=None)
    changed = rows[column].to_pylist()
    changed[0] = value
    field = rows.schema.field(column)
    index = rows.schema.get_field_index(column)
    pq.write_table(rows.set_column(index, field, [pa.array(changed, field.type)]), file)


@pytest.mark.parametrize("day", range(1, N_DAYS + 1))
def test_increments_with_late_events_are_rebuilt_bit_for_bit(lived, tmp_path, day):
    """The day's file as it was published, with the registry that it had."""
    wanted = registry(lived)[N_DAYS - day]
    before = identity(lived.store_path)
    to = tmp_path / "a" / "b" / "old.duckdb"
    result = rebuild(lived, wanted.id, to)
    assert content(to) == content(Path(f"{lived.store_path}.{day}"))
    assert (result.snapshot_id, result.reused) == (wanted.id, False)
    assert (result.row_counts, result.checksums) == (wanted.row_counts, wanted.checksums)
    assert identity(lived.store_path) == before
    assert [p.name for p in to.parent.iterdir() if ".build-" in p.name] == []


def test_what_was_forgotten_of_the_lake_since_is_not_missed(world, tmp_path):
    """Only the snapshot's own days and versions are read."""
    world.build("06-03")
    wanted = registry(world)[0]
    vacuum(world, 3)
    assert rebuild(world, wanted.id, tmp_path / "old.duckdb").checksums == wanted.checksums


def test_the_settings_of_today_do_not_matter(world, tmp_path, monkeypatch):
    monkeypatch.setattr(type(world), "history_loaded_until", registry(world)[0].as_of)
    rebuild(world, registry(world)[-1].id[:6], tmp_path / "old.duckdb")


def test_the_registry_keeps_what_was_found_at_that_time(world, tmp_path):
    change_registry(world, """warnings = '["growth"]', drift = '{"hour": 0.5}'""")
    oldest = registry(world)[-1]
    assert oldest.drift == {"hour": 0.5}
    rebuild(world, oldest.id, tmp_path / "old.duckdb")
    with FeatureStore.open(tmp_path / "old.duckdb") as store:
        assert store.snapshots() == [oldest]


def test_a_second_time_nothing_is_done(world, tmp_path):
    to = tmp_path / "old.duckdb"
    oldest = registry(world)[-1].id
    assert not rebuild(world, oldest, to).reused
    before = identity(to)
    shutil.rmtree(world.lake.path)
    assert rebuild(world, oldest, to).reused
    assert identity(to) == before


def test_a_damaged_file_of_the_same_snapshot_is_built_again(world, tmp_path, caplog, monkeypatch):
    to = tmp_path / "old.duckdb"
    oldest = registry(world)[-1].id
    rebuild(world, oldest, to)
    sound = content(to)

    def damaged(_) -> None:
        message = "a block is damaged"
        raise InputDataError(message)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "verify", damaged)
        before = identity(to)
        assert not rebuild(world, oldest, to).reused
    assert identity(to) != before
    assert content(to) == sound
    assert "a block is damaged" in caplog.text


@pytest.mark.parametrize("way", ["itself", "symlink", "hard link", "not there yet"])
def test_the_published_file_is_never_a_target(world, tmp_path, way):
    to = tmp_path / "other.duckdb"
    if way == "itself":
        to = world.store_path.parent / "." / ".." / "features" / world.store_path.name
    elif way == "symlink":
        to.symlink_to(world.store_path)
    elif way == "hard link":
        to.hardlink_to(world.store_path)
    else:
        (tmp_path / "link").symlink_to(world.store_path.parent)
        to = tmp_path / "link" / world.store_path.name
    before = identity(world.store_path)
    with pytest.raises(ConfigurationError, match=r"--to .* is the published feature store"):
        rebuild(world, "latest", to)
    assert identity(world.store_path) == before


def test_a_file_that_is_there_stays(world, tmp_path):
    to = tmp_path / "old.duckdb"
    newest, *_, oldest = registry(world)
    rebuild(world, oldest.id, to)
    before = identity(to)
    with pytest.raises(ConfigurationError, match=f"already: snapshot {oldest.id}, expected none"):
        rebuild(world, newest.id, to)
    assert identity(to) == before
    to.write_text("notes")
    with pytest.raises(ConfigurationError, match=r"already: no feature store .*Move it away"):
        rebuild(world, newest.id, to)
    assert to.read_text() == "notes"


def test_a_file_that_came_meanwhile_stays(world, tmp_path, monkeypatch):
    to = tmp_path / "old.duckdb"
    check = archive._check_lake

    def slow(*arguments):
        to.write_text("notes")
        return check(*arguments)

    monkeypatch.setattr(archive, "_check_lake", slow)
    with pytest.raises(ConfigurationError, match="already"):
        rebuild(world, "latest", to)
    assert to.read_text() == "notes"


@pytest.mark.parametrize("lost", ["files", "log"])
def test_a_lake_that_was_cleaned_names_the_retention(world, tmp_path, lost):
    if lost == "files":
        vacuum(world, 1)
    else:
        cut_log(world)
    oldest = registry(world)[-1]
    told = rf"{oldest.id}.*interactions.*(is|are) gone.*LAKE_RETENTION_DAYS"
    with pytest.raises(InputDataError, match=told):
        rebuild(world, oldest.id, tmp_path / "old.duckdb")
    assert list(tmp_path.iterdir()) == [tmp_path / "w"]


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("code_version = '0.0.7'", r"code_version '.*', not '0\.0\.7'.*movie-recommender==0\.0\.7"),
        ("engine = 'duckdb 1.1.0'", r"engine 'duckdb .*', not 'duckdb 1\.1\.0'.*duckdb==1\.1\.0"),
        ("sql_hash = 'abc'", r"sql_hash '.*', not 'abc'.*commit whose feature SQL"),
        ("format = 1", r"format \d, not 1"),
    ],
)
def test_another_version_of_the_program_is_named(world, tmp_path, assignment, told):
    change_registry(world, assignment)
    with pytest.raises(ConfigurationError, match=told):
        rebuild(world, registry(world)[-1].id, tmp_path / "old.duckdb")


def test_a_store_of_the_last_version_is_not_rebuilt_by_this_one(world, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "__version__", "9.9.9")
    monkeypatch.setattr(planning, "__version__", "9.9.9")
    with pytest.raises(ConfigurationError, match=r"code_version '9\.9\.9', not"):
        rebuild(world, "latest", tmp_path / "old.duckdb")


def test_another_lake_is_named(world, make_world, tmp_path):
    shutil.rmtree(world.lake.path)
    live(make_world(tmp_path / "w"))
    oldest = registry(world)[-1].id
    with pytest.raises(ConfigurationError, match=r"DATA_LAKE_PATH=.*interactions.*Correct DATA"):
        rebuild(world, oldest, tmp_path / "old.duckdb")


def test_other_files_under_the_same_version_are_refused(world, tmp_path):
    change_registry(world, "id = '00000000deadbeef'")
    with pytest.raises(InputDataError, match=r"00000000deadbeef can't be built again.*others"):
        rebuild(world, "00000000deadbeef", tmp_path / "old.duckdb")


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        (
            "users",
            "age",
            99,
            r"user_features has checksum \w+, not \w+; user_versions has checksum",
        ),
        ("interactions", "movie_id", 77, r"movie_features has 3 rows, not 2; .*training_frame"),
    ],
)
def test_content_that_differs_is_named_and_not_written(world, tmp_path, table, column, value, told):
    change_in_place(world, table, column, value)
    with pytest.raises(InputDataError, match=f"isn't what the registry says: .*{told}"):
        rebuild(world, registry(world)[-1].id, tmp_path / "out" / "old.duckdb")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".old.duckdb.lock"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("0123456789abcdef", "isn't in the published registry"),
        ("latest ", "isn't an id"),
        ("", "isn't an id"),
        ("{newest:.5}", "isn't an id"),
    ],
)
def test_an_unknown_snapshot(lived, tmp_path, name, told):
    newest = registry(lived)[0].id
    with pytest.raises(ConfigurationError, match=rf"{told}.*{newest}.*features snapshots"):
        rebuild(lived, name.format(newest=newest), tmp_path / "old.duckdb")


def test_without_a_published_store(world, tmp_path):
    world.store_path.unlink()
    with pytest.raises(NotReadyError, match="no feature store"):
        rebuild(world, "latest", tmp_path / "old.duckdb")


def test_a_place_that_cannot_be_written_is_named_as_the_option(lived, tmp_path):
    (tmp_path / "file").touch()
    for to in (tmp_path / "file" / "old.duckdb", tmp_path):
        with pytest.raises(ConfigurationError, match=r"^--to=.*Correct --to"):
            rebuild(lived, "latest", to)


def test_a_lake_that_cannot_be_read_is_worth_a_retry(world, tmp_path, monkeypatch):
    def refused(*_, **__):
        message = "Grant access to DATA_LAKE_PATH"
        raise StorageError(message)

    monkeypatch.setattr(builder, "build", refused)
    with pytest.raises(StorageError, match="Grant access to DATA_LAKE_PATH"):
        rebuild(world, "latest", tmp_path / "old.duckdb")


def test_two_at_once(lived, tmp_path):
    with (tmp_path / ".old.duckdb.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConcurrentWriteError, match=r"old\.duckdb"):
            rebuild(lived, "latest", tmp_path / "old.duckdb")


KILLED = """
import os, signal, sys
from pathlib import Path
from movie_recommender.features import archive, publishing
from movie_recommender.settings import Settings

publishing.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = Settings(data_lake_path=sys.argv[1], feature_store_path=sys.argv[2])
archive.rebuild(settings, name="latest", to=Path(sys.argv[3]), threads=1)
"""


def test_killed_before_the_rename_there_is_no_file(lived, tmp_path):
    to = tmp_path / "old.duckdb"
    arguments = [sys.executable, "-c", KILLED, lived.lake.path, str(lived.store_path), str(to)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not to.exists()
    assert not rebuild(lived, "latest", to).reused
    assert {path.name for path in tmp_path.iterdir()} == {".old.duckdb.lock", "old.duckdb"}


def test_the_lake_is_not_asked_for_what_only_newer_versions_need(world, tmp_path, monkeypatch):
    """Damage in today's files doesn't stop a snapshot of files that are whole."""
    monkeypatch.setattr(LakeIntegrity, "check", lambda _: pytest.fail("looked at all files"))
    for file in Path(world.lake.path).glob(f"interactions/event_date=2026-06-0{N_DAYS}/*.parquet"):
        file.write_bytes(b"?")
    rebuild(world, registry(world)[-1].id, tmp_path / "old.duckdb")
