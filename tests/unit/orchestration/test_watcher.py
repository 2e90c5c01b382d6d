import contextlib
import logging
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.contacts import alert_contacts
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration import watcher
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.limits import CurrentSlas
from movie_recommender.orchestration.outbox import Outbox
from movie_recommender.orchestration.plugin import TriggererListener, is_triggerer
from movie_recommender.orchestration.sla import BegunTask, OpenRun
from movie_recommender.orchestration.variables import PREFIX
from movie_recommender.orchestration.watcher import Watcher
from tests.unit.orchestration.letters import letter

START = datetime(2025, 6, 1, 2, tzinfo=UTC)
IN_TIME = START + timedelta(minutes=59)
LATE = START + timedelta(minutes=61)
TASK = BegunTask("d", "r", "extract_events", 1, START, execution_date=START, run_started=START)
RUN = OpenRun("d", "r", START, START, again=False)
RUN_VARIABLE = f"{PREFIX}SLA_RUN"


class World:
    """A metadata database as plain lists, for several triggerers."""

    def __init__(self) -> None:
        self.begun = [TASK]
        self.runs = [RUN]
        self.variables: dict[str, str | None] = {}
        self.recorded: set[tuple[str, str | None]] = set()

    def begun_tasks(self, dag_id):
        return self.begun

    def open_runs(self, dag_id):
        return self.runs

    def recorded_misses(self, late):
        return self.recorded & {each.key for each in late}

    @contextlib.contextmanager
    def claimed(self, task, alert):
        ours = task.key not in self.recorded
        yield ours
        self.recorded.add(task.key)

    def watcher(self) -> Watcher:
        limits = CurrentSlas(lambda _: self.variables)
        return Watcher(self, alert_contacts(), Post(alert_contacts()), limits)


@pytest.fixture
def world() -> World:
    return World()


def test_in_time_nothing_happens(world, slack, mail):
    assert world.watcher().sweep(IN_TIME) == 0
    assert slack.messages == mail.mails == []


def test_a_late_task_is_alerted_once_by_each_channel(world, slack, mail):
    sweeps = world.watcher()
    assert [sweeps.sweep(LATE) for _ in range(3)] == [1, 0, 0]
    for [text] in (slack.texts, mail.texts):
        assert "extract_events is late: begun 1 h 1 min ago, SLA 1 h" in text


def test_a_task_that_failed_or_ended_meanwhile_is_not_alerted(world, slack):
    world.begun = []
    assert world.watcher().sweep(LATE) == 0
    assert slack.messages == []


def test_a_new_triggerer_or_a_second_one_doesnt_alert_again(world, slack, mail):
    first, second = world.watcher(), world.watcher()
    assert [first.sweep(LATE), second.sweep(LATE), world.watcher().sweep(LATE)] == [1, 0, 0]
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


def test_a_retry_is_no_second_miss(world, slack, mail):
    sweeps = world.watcher()
    sweeps.sweep(LATE)
    world.begun = [replace(TASK, try_number=2)]
    assert sweeps.sweep(LATE + timedelta(hours=2)) == 0
    assert len(slack.messages) == 1


def test_what_no_channel_takes_is_delivered_later_also_when_the_task_is_over(world, slack, mail):
    sweeps = world.watcher()
    slack.status, mail.refuses = 500, {"RCPT": "450 busy"}
    assert sweeps.sweep(LATE) == 1
    slack.status, mail.refuses = 200, {}
    world.begun = []
    sweeps.sweep(LATE + timedelta(minutes=1))
    sweeps.sweep(LATE + timedelta(minutes=2))
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


def test_a_channel_that_was_down_gets_the_alert_later_and_the_other_not_twice(world, slack, mail):
    sweeps = world.watcher()
    slack.status = 500
    sweeps.sweep(LATE)
    slack.status = 200
    for minutes in (1, 2):
        sweeps.sweep(LATE + timedelta(minutes=minutes))
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


def test_a_lost_claim_leaves_letters_that_are_sent_once(world, slack, mail, monkeypatch):
    """Killed, or the database gone, between the outbox and the audit log."""
    with monkeypatch.context() as patch:

        @contextlib.contextmanager
        def locked(task, alert):
            yield True
            message = "database is locked"
            raise OSError(message)

        patch.setattr(world, "claimed", locked)
        with pytest.raises(OSError, match="locked"):
            world.watcher().sweep(LATE)
    world.watcher().sweep(LATE)
    assert world.recorded == {TASK.key}
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


def test_the_outbox_is_emptied_though_the_database_is_gone(world, slack, monkeypatch):
    Post(alert_contacts()).keep(letter())

    def gone(dag_id):
        message = "database is gone"
        raise OSError(message)

    monkeypatch.setattr(world, "begun_tasks", gone)
    with pytest.raises(OSError, match="gone"):
        world.watcher().sweep(LATE)
    assert len(slack.messages) == 1


def test_no_letter_is_forgotten_while_the_database_is_gone(world, monkeypatch):
    kept = letter(written=LATE - timedelta(days=2))  # Slack and mail have no connection here
    Post(alert_contacts()).keep(kept)
    with monkeypatch.context() as patch:
        patch.setattr(world, "begun_tasks", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.watcher().sweep(LATE)
    assert [each.id for each in Outbox(alert_contacts().outbox).waiting()] == [kept.id]
    world.begun = []
    world.watcher().sweep(LATE)
    assert Outbox(alert_contacts().outbox).waiting() == []


def test_without_an_outbox_a_miss_is_sent_at_once_and_once(world, slack, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    sweeps = world.watcher()
    slack.status = 500
    with pytest.raises(NotReadyError, match="kept or sent"):
        sweeps.sweep(LATE)
    slack.status = 200
    assert [sweeps.sweep(LATE), sweeps.sweep(LATE)] == [1, 0]
    assert len(slack.messages) == 1


def over(world: World, *minutes: int) -> list[int]:
    """How many are alerted in sweeps so long after the run was queued."""
    world.begun = []
    sweeps = world.watcher()
    return [sweeps.sweep(START + timedelta(minutes=each)) for each in minutes]


def test_a_run_over_the_variables_sla_is_alerted_once(world, slack, mail):
    world.variables = {RUN_VARIABLE: "30min"}
    assert over(world, 29, 31, 32) == [0, 1, 0]
    [text], [_] = slack.texts, mail.texts
    assert "not finished 30 min" in text


def test_a_longer_sla_counts_for_the_run_that_goes_on(world):
    world.variables = {RUN_VARIABLE: "8h"}
    assert over(world, 7 * 60, 8 * 60 + 1) == [0, 1]


@pytest.mark.parametrize("found", [{}, {RUN_VARIABLE: ""}, {f"{PREFIX}SLA_RUNS": "1min"}])
def test_without_the_variable_the_deadline_alerts(world, found):
    world.variables = found
    assert over(world, 9 * 60) == [0]


def test_a_run_that_was_queued_again_is_alerted_once_and_counts_from_then(world, slack, mail):
    world.runs = [replace(RUN, again=True)]
    assert over(world, 5 * 60, 6 * 60 + 1, 6 * 60 + 2) == [0, 1, 0]
    [text], [_] = slack.texts, mail.texts
    assert "not finished 6 h" in text


def test_the_environment_goes_first(world, monkeypatch):
    monkeypatch.setenv("SLA_RUN", "2h")
    world.variables = {RUN_VARIABLE: "30min"}
    assert over(world, 9 * 60) == [0]


def test_a_tasks_sla_may_be_a_variable(world):
    world.variables = {f"{PREFIX}SLA_EXTRACT_EVENTS": "2h"}
    assert world.watcher().sweep(LATE) == 0


def test_the_thread_outlives_a_failing_sweep_and_ends_when_told(monkeypatch, caplog):
    stop, calls = threading.Event(), []

    class Failing:
        def sweep(self, now):
            calls.append(now)
            if len(calls) == 2:
                stop.set()
            message = "metadata database gone"
            raise RuntimeError(message)

    monkeypatch.setattr(watcher, "_watcher", Failing)
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
