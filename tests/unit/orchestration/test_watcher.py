import logging
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.orchestration import watcher
from movie_recommender.orchestration.limits import CurrentSlas
from movie_recommender.orchestration.plugin import TriggererListener, is_triggerer
from movie_recommender.orchestration.sla import RunningTask
from movie_recommender.orchestration.watcher import Watcher

START = datetime(2025, 6, 1, 2, tzinfo=UTC)
IN_TIME = START + timedelta(minutes=59)
LATE = START + timedelta(minutes=61)
TASK = RunningTask("d", "r", "extract_events", 1, started=START, execution_date=START)


class World:
    """A metadata database and two channels, as plain lists."""

    def __init__(self) -> None:
        self.running = [TASK]
        self.recorded: list[tuple[str, str, int]] = []
        self.sent: list[str] = []
        self.down: set[str] = set()

    def running_tasks(self, dag_id):
        return self.running

    def recorded_misses(self, dag_id, run_ids):
        return set(self.recorded)

    def record_miss(self, task, alert):
        self.recorded.append(task.key)

    def channel(self, name):
        def send(alert):
            if name in self.down:
                raise ConnectionRefusedError(name)
            self.sent.append(name)

        return send

    def watcher(self) -> Watcher:
        return Watcher(self, {name: self.channel(name) for name in ("slack", "mail")})


@pytest.fixture
def world() -> World:
    return World()


def test_in_time_nothing_happens(world):
    assert world.watcher().sweep(IN_TIME) == 0
    assert world.sent == []


def test_a_late_task_is_alerted_once_by_each_channel(world):
    sweeps = world.watcher()
    assert [sweeps.sweep(LATE) for _ in range(3)] == [1, 0, 0]
    assert world.sent == ["slack", "mail"]
    assert world.recorded == [TASK.key]


def test_a_task_that_failed_or_ended_meanwhile_is_not_alerted(world):
    world.running = []
    assert world.watcher().sweep(LATE) == 0


def test_a_new_triggerer_doesnt_alert_again(world):
    world.watcher().sweep(LATE)
    assert world.watcher().sweep(LATE) == 0
    assert len(world.sent) == 2


def test_an_sla_that_is_set_meanwhile_counts_from_the_next_sweep_on(world):
    found = {}
    sweeps = Watcher(world, {"slack": world.channel("slack")}, CurrentSlas(lambda _: found))
    assert sweeps.sweep(IN_TIME) == 0
    found["movie_recommender.SLA_EXTRACT_EVENTS"] = "30 min"
    assert sweeps.sweep(IN_TIME) == 1


def test_wrong_variables_are_logged_once_and_the_other_slas_hold(world, caplog):
    found = {"movie_recommender.SLA_EXTRACT_EVENTS": "soon", "movie_recommender.SLA_RUM": "6h"}
    sweeps = Watcher(world, {"slack": world.channel("slack")}, CurrentSlas(lambda _: found))
    assert [sweeps.sweep(IN_TIME), sweeps.sweep(LATE)] == [0, 1]
    [told] = [r.getMessage() for r in caplog.records if "settings that are wrong" in r.message]
    assert "movie_recommender.SLA_EXTRACT_EVENTS='soon'" in told
    assert "did you mean SLA_RUN?" in told


def test_the_next_try_has_its_own_sla(world):
    sweeps = world.watcher()
    sweeps.sweep(LATE)
    world.running = [RunningTask("d", "r", "extract_events", 2, LATE, START)]
    assert sweeps.sweep(LATE + timedelta(minutes=59)) == 0
    assert sweeps.sweep(LATE + timedelta(minutes=61)) == 1


def test_with_every_channel_down_nothing_is_remembered_and_the_next_sweep_delivers(world):
    sweeps = world.watcher()
    world.down = {"slack", "mail"}
    assert sweeps.sweep(LATE) == 0
    assert world.recorded == []
    world.down = set()
    assert sweeps.sweep(LATE) == 1
    assert world.sent == ["slack", "mail"]


def test_a_channel_that_was_down_gets_the_alert_later_and_the_other_not_twice(world):
    sweeps = world.watcher()
    world.down = {"slack"}
    sweeps.sweep(LATE)
    world.down = set()
    sweeps.sweep(LATE)
    sweeps.sweep(LATE)
    assert world.sent == ["mail", "slack"]
    assert world.recorded == [TASK.key]


def test_a_refused_record_is_written_later_without_a_second_alert(world, monkeypatch):
    sweeps = world.watcher()
    with monkeypatch.context() as patch:

        def locked(task, alert):
            message = "database is locked"
            raise OSError(message)

        patch.setattr(world, "record_miss", locked)
        with pytest.raises(OSError, match="locked"):
            sweeps.sweep(LATE)
    sweeps.sweep(LATE)
    assert world.sent == ["slack", "mail"]
    assert world.recorded == [TASK.key]


def test_the_thread_outlives_a_failing_sweep_and_ends_when_told(monkeypatch, caplog):
    stop, calls = threading.Event(), []

    class Failing:
        def sweep(self, now):
            calls.append(now)
            if len(calls) == 2:
                stop.set()
            message = "metadata database gone"
            raise RuntimeError(message)

    monkeypatch.setattr(watcher, "_watchers", lambda: [Failing()])
    with caplog.at_level(logging.ERROR):
        thread = watcher.start(stop, interval_s=0.001)
        thread.join(timeout=5)
    assert not thread.is_alive()
    assert len(calls) == 2
    assert "metadata database gone" in caplog.text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/x/bin/airflow", "triggerer"], True),
        (["airflow", "triggerer", "--capacity", "5"], True),
        (["airflow", "scheduler"], False),
        (["airflow", "standalone"], False),
        (["airflow", "dags", "list", "triggerer"], False),
        (["airflow"], False),
    ],
)
def test_only_the_triggerer_watches(argv, expected, monkeypatch):
    started = []
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(watcher, "start", started.append)
    listener = TriggererListener()
    listener.on_starting(component=object())
    listener.on_starting(component=object())
    assert is_triggerer(argv) is expected
    assert len(started) == int(expected)
    listener.before_stopping(component=object())
    assert all(stop.is_set() for stop in started)


def test_a_watcher_that_cant_start_leaves_the_triggerer_alone(monkeypatch, caplog):
    def broken(stop):
        message = "no threads left"
        raise RuntimeError(message)

    monkeypatch.setattr(sys, "argv", ["airflow", "triggerer"])
    monkeypatch.setattr(watcher, "start", broken)
    TriggererListener().on_starting(component=object())
    assert "task SLAs are not watched" in caplog.text
