"""Past days one after the other: as if each had been built in its time, wherever it was killed."""

import signal
import subprocess
import sys
from datetime import date

import pytest

from movie_recommender.errors import ConcurrentWriteError, ConfigurationError, InputDataError
from movie_recommender.features import FeatureStore, publishing
from movie_recommender.features.backfill import BackfillResult, backfill
from tests.unit.features.conftest import at
from tests.unit.features.past import add_day, identity, registry


@pytest.fixture
def loaded(world):
    """Four days are in the lake, nothing is published."""
    for day in range(1, 5):
        world.movie(10 + day, f"06-{day:02} 09:00", "Drama")
        world.user(day, f"06-{day:02} 09:00")
        world.act("like", 1, 10 + day, f"06-{day:02} 10:00")
    world.land()
    return world


def fill(world, first: int, last: int) -> BackfillResult:
    days = date(2026, 6, first), date(2026, 6, last)
    return backfill(world.settings, first=days[0], last=days[1], threads=1)


def as_of_days(world) -> list[int]:
    return [snapshot.as_of.day for snapshot in registry(world)]


def test_each_day_is_published_in_turn_as_of_its_end(loaded):
    result = fill(loaded, 2, 4)
    assert [one.day for one in result.days] == ["2026-06-02", "2026-06-03", "2026-06-04"]
    assert [one.increment for one in result.days] == [False, True, True]
    assert not any(one.reused for one in result.days)
    assert as_of_days(loaded) == [5, 4, 3]
    assert [one.snapshot_id for one in result.days[::-1]] == [s.id for s in registry(loaded)]
    assert result.published == result.days[-1].snapshot_id
    assert result.lake_versions == loaded.lake.versions()


def test_each_day_is_what_a_build_of_that_day_gives(loaded):
    filled = {one.day: one.snapshot_id for one in fill(loaded, 1, 2).days}
    checksums = {snapshot.id: snapshot.checksums for snapshot in registry(loaded)}
    loaded.store_path = loaded.store_path.with_name("alone.duckdb")
    for day in (1, 2):
        built = loaded.build(f"06-{day + 1:02}")
        assert built.snapshot_id == filled[f"2026-06-{day:02}"]
        assert registry(loaded)[0].checksums == checksums[built.snapshot_id]


def test_late_events_are_in_and_the_days_up_to_their_arrival_are_built_whole(world):
    for day in (1, 2, 3):
        add_day(world, day)
    result = fill(world, 1, 3)
    assert [one.increment for one in result.days] == [False, False, False]
    for snapshot, one in zip(registry(world), result.days[::-1], strict=True):
        assert snapshot.id == one.snapshot_id
        assert snapshot.lake_versions == result.lake_versions
    with world.open() as store:
        [late] = [m for m in store.get_movie_features([11]).to_pylist() if "g1" in m["genres"]]
    assert late["first_seen"] == at("06-01 08:00")  # of the upsert that came on the 4th


def test_a_second_time_nothing_is_done(loaded):
    first = fill(loaded, 1, 2)
    before = identity(loaded.store_path)
    second = fill(loaded, 1, 2)
    assert identity(loaded.store_path) == before
    assert all(one.reused and not one.increment for one in second.days)
    assert [one.snapshot_id for one in second.days] == [one.snapshot_id for one in first.days]


def test_a_later_store_stays_published_where_no_day_is_missing(loaded):
    fill(loaded, 1, 2)
    today = loaded.build("06-06").snapshot_id
    result = fill(loaded, 1, 2)
    assert result.published == today == registry(loaded)[0].id
    more = fill(loaded, 2, 3)
    assert [(one.reused, one.increment) for one in more.days] == [(True, False), (False, False)]
    assert as_of_days(loaded) == [4, 6, 3, 2]


def test_new_rows_in_the_lake_make_other_days(loaded):
    first = fill(loaded, 1, 2)
    loaded.act("like", 2, 11, "06-01 12:00")
    loaded.land()
    second = fill(loaded, 1, 2)
    assert not {one.snapshot_id for one in first.days} & {one.snapshot_id for one in second.days}
    assert not any(one.reused for one in second.days)


def test_rows_that_come_meanwhile_are_left_to_the_next_time(loaded, monkeypatch):
    publish = publishing.publish

    def slow(*arguments) -> None:
        publish(*arguments)
        loaded.act("like", 2, 11, "06-01 12:00")
        loaded.land()

    monkeypatch.setattr(publishing, "publish", slow)
    result = fill(loaded, 1, 2)
    assert result.lake_versions != loaded.lake.versions()
    assert [snapshot.lake_versions for snapshot in registry(loaded)] == [result.lake_versions] * 2


def test_a_damaged_published_file_is_built_again(loaded, caplog):
    fill(loaded, 1, 1)
    loaded.store_path.write_bytes(b"?" * 5000)
    assert not fill(loaded, 1, 1).days[0].reused
    assert "registry of builds is lost" in caplog.text


def test_the_newest_is_looked_at_before_it_is_reused(loaded, monkeypatch):
    fill(loaded, 1, 2)

    def damaged(_) -> None:
        message = "a block is damaged"
        raise InputDataError(message)

    monkeypatch.setattr(FeatureStore, "verify", damaged)
    assert [one.reused for one in fill(loaded, 1, 2).days] == [True, False]


KILLED = """
import os, signal, sys
from datetime import date
from movie_recommender.features import publishing
from movie_recommender.features.backfill import backfill
from movie_recommender.settings import Settings

published, publish = [], publishing.publish

def killed(built, path):
    if len(published) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    published.append(publish(built, path))

publishing.publish = killed
settings = Settings(data_lake_path=sys.argv[1], feature_store_path=sys.argv[2])
backfill(settings, first=date(2026, 6, 1), last=date(2026, 6, 3), threads=1)
"""


def test_killed_in_the_middle_it_goes_on_where_it_was(loaded):
    arguments = [sys.executable, "-c", KILLED, loaded.lake.path, str(loaded.store_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert as_of_days(loaded) == [2]
    result = fill(loaded, 1, 3)
    assert [one.reused for one in result.days] == [True, False, False]
    assert [one.increment for one in result.days] == [False, True, True]
    assert as_of_days(loaded) == [4, 3, 2]
    straight = {snapshot.id: snapshot.checksums for snapshot in registry(loaded)}
    loaded.store_path = loaded.store_path.with_name("straight.duckdb")
    fill(loaded, 1, 3)
    assert {snapshot.id: snapshot.checksums for snapshot in registry(loaded)} == straight


def test_a_day_that_fails_leaves_the_days_before_published(loaded, monkeypatch):
    publish = publishing.publish
    calls = []

    def second_fails(*arguments) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            message = "somebody else"
            raise ConcurrentWriteError(message)
        publish(*arguments)

    monkeypatch.setattr(publishing, "publish", second_fails)
    with pytest.raises(ConcurrentWriteError):
        fill(loaded, 1, 3)
    assert as_of_days(loaded) == [2]


def test_days_in_the_wrong_order(world):
    with pytest.raises(ConfigurationError, match=r"--from 2026-06-02 is after --to 2026-06-01"):
        fill(world, 2, 1)
