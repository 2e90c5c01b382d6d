"""A day adds to the published store what is new in the lake, and the result is the whole's."""

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable

from movie_recommender.features import FeaturesResult
from movie_recommender.lake import LakeCare
from tests.unit.features.past import add_day, arrives


def checksums(world) -> dict[str, str]:
    with world.open() as store:
        return store.snapshot.checksums


def whole(world, as_of: str) -> dict[str, str]:
    """Checksums of the same snapshot, built from nothing."""
    world.store_path = world.store_path.with_name("whole.duckdb")
    assert not world.build(as_of).increment
    return checksums(world)


def test_day_after_day_is_the_same_as_at_once(world):
    results: list[FeaturesResult] = []
    for number in range(1, 7):
        add_day(world, number)
        results.append(world.build(f"06-{number + 1:02}"))
    assert [result.increment for result in results] == [False] + [True] * 5
    assert checksums(world) == whole(world, "06-07")


def test_events_from_as_of_on_are_taken_when_their_day_comes(world):
    add_day(world, 1)
    add_day(world, 2)
    assert world.build("06-02").n_examples < world.build("06-03").n_examples
    assert checksums(world) == whole(world, "06-03")


def test_files_that_were_only_rewritten_are_not_new(world):
    add_day(world, 1)
    add_day(world, 2)
    world.build("06-03")
    add_day(world, 3)
    LakeCare(world.lake.path).rewrite("interactions", date(2026, 6, 1), order_by=["user_id"])
    LakeCare(world.lake.path).rewrite("interactions", date(2026, 6, 3), order_by=["user_id"])
    result = world.build("06-04")
    assert result.increment
    assert checksums(world) == whole(world, "06-04")


def test_a_table_that_is_new_is_all_new(world):
    world.act("like", 1, 11, "06-01 10:00", ingestion_time=arrives(1))
    assert set(world.build("06-02").lake_versions) == {"interactions"}
    add_day(world, 2)
    result = world.build("06-03")
    assert result.increment
    assert checksums(world) == whole(world, "06-03")


@pytest.mark.parametrize(
    "change",
    ["deleted rows", "an earlier as_of", "another bound of history", "a gap in the log"],
)
def test_what_an_increment_would_get_wrong_is_built_whole(world, change, monkeypatch):
    add_day(world, 1)
    add_day(world, 2)
    world.build("06-03")
    add_day(world, 3)
    as_of = "06-04"
    if change == "deleted rows":
        world.lake.delete("interactions", "user_id = 2")
    elif change == "an earlier as_of":
        as_of = "06-02"
    elif change == "another bound of history":
        monkeypatch.setattr(type(world), "history_loaded_until", arrives(0))
    else:
        DeltaTable(f"{world.lake.path}/interactions").create_checkpoint()
        log = Path(world.lake.path, "interactions", "_delta_log")
        (log / f"{world.lake.version('interactions'):020}.json").unlink()
    result = world.build(as_of)
    assert (result.reused, result.increment) == (False, False)
    assert checksums(world) == whole(world, as_of)


def test_a_damaged_base_is_not_added_to(world, caplog):
    for user in range(3000):
        world.act("like", user, user % 50, "06-01", ingestion_time=arrives(1))
    world.build("06-02")
    content = world.store_path.read_bytes()
    add_day(world, 2)
    expected = whole(world, "06-03")
    built_whole = 0
    for block in range(12_288, len(content), 262_144):  # DuckDB's headers, then its blocks
        damaged = bytearray(content)
        damaged[block + 64] ^= 0xFF
        world.store_path.write_bytes(damaged)
        built_whole += not world.build("06-03").increment
        assert checksums(world) == expected
    assert built_whole > 1
    assert "building the store whole" in caplog.text


def test_what_arrived_in_time_and_what_came_late_are_told_apart(world):
    """A like that arrives three days late isn't seen by rows before its arrival."""
    for number in (1, 2, 3, 4, 5):
        add_day(world, number)
    world.act("like", 9, 11, "06-02 08:00", ingestion_time=arrives(5))
    for number, minute in ((3, "10:00"), (5, "10:00")):
        at = arrives(number)
        world.act("view", 9, 20 + number, f"06-{number:02} {minute}", ingestion_time=at)
    world.act("view", 9, 30, "06-06 10:00", ingestion_time=arrives(6))
    seen = {r["movie_id"]: r["user_positives"] for r in world.frame("06-07") if r["user_id"] == 9}
    assert seen == {11: 0, 23: 0, 25: 0, 30: 1}


KILLED_INCREMENT = """
import os, signal, sys
from datetime import datetime
from movie_recommender.features import builder, run
from movie_recommender.settings import Settings

left = int(sys.argv[3])
work = builder._run

def die_in_time(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    work(*arguments)

builder._run = die_in_time
settings = Settings(data_lake_path=sys.argv[1], feature_store_path=sys.argv[2])
run(settings, as_of=datetime.fromisoformat("2026-06-04T00:00:00+00:00"), threads=1)
"""


def test_killed_within_an_increment_the_next_one_ends_the_same(world):
    add_day(world, 1)
    add_day(world, 2)
    before = world.build("06-03")
    add_day(world, 3)
    for nth in (1, 7, 16, 19):  # of the groups: at the first, in the states, in the frame, the last
        arguments = [world.lake.path, str(world.store_path), str(nth)]
        killed = subprocess.run([sys.executable, "-c", KILLED_INCREMENT, *arguments], check=False)
        assert killed.returncode == -signal.SIGKILL
        with world.open() as store:
            assert store.snapshot.id == before.snapshot_id
            store.verify()
    assert world.build("06-04").increment
    assert checksums(world) == whole(world, "06-04")
