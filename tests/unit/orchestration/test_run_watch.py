import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.orchestration import sla, variables
from movie_recommender.orchestration.limits import CurrentSlas
from movie_recommender.orchestration.run_watch import OpenRun, RunWatch

QUEUED = datetime(2025, 6, 1, 2, tzinfo=UTC)
RUN = OpenRun("d", "r", QUEUED, QUEUED)
VARIABLE = f"{variables.PREFIX}SLA_RUN"


class World:
    """A metadata database and a channel, as plain lists."""

    def __init__(self):
        self.variables = {VARIABLE: "30min"}
        self.runs = [RUN]
        self.recorded = []
        self.sent = []
        self.down = False

    def open_runs(self, dag_id):
        return self.runs

    def recorded_runs(self, dag_id, run_ids):
        return set(self.recorded) & set(run_ids)

    def record_run(self, run, alert):
        self.recorded.append(run.run_id)

    def send(self, alert):
        if self.down:
            raise ConnectionRefusedError
        self.sent.append(alert.text)

    def sweep(self, minutes):
        watch = RunWatch(self, {"slack": self.send}, CurrentSlas(lambda _: self.variables))
        return watch.sweep(QUEUED + timedelta(minutes=minutes))


@pytest.fixture
def world(monkeypatch):
    monkeypatch.delenv("SLA_RUN", raising=False)
    return World()


def test_a_run_over_the_variables_sla_is_alerted_once(world):
    assert [world.sweep(29), world.sweep(31), world.sweep(32)] == [0, 1, 0]
    [text] = world.sent
    assert "not finished 30 min" in text


def test_a_longer_sla_counts_for_the_run_that_goes_on(world):
    world.variables = {VARIABLE: "8h"}
    assert [world.sweep(7 * 60), world.sweep(8 * 60 + 1)] == [0, 1]


@pytest.mark.parametrize("found", [{}, {VARIABLE: ""}, {f"{variables.PREFIX}SLA_RUNS": "1min"}])
def test_without_the_variable_the_deadline_alerts(world, found):
    world.variables = found
    assert world.sweep(9 * 60) == 0


def test_the_environment_goes_first(world, monkeypatch):
    monkeypatch.setenv("SLA_RUN", "2h")
    assert world.sweep(9 * 60) == 0


def test_while_no_channel_answers_nothing_is_remembered(world):
    world.down = True
    assert world.sweep(31) == 0
    world.down = False
    assert world.sweep(32) == 1


@pytest.mark.parametrize(("found", "sent"), [({VARIABLE: "8h"}, 0), ({}, 1)])
def test_the_deadline_is_silent_where_the_variable_counts(monkeypatch, slack, mail, found, sent):
    monkeypatch.delenv("SLA_RUN", raising=False)
    monkeypatch.setattr(variables, "read", lambda: found)
    run = {
        "dag_id": "d",
        "dag_run_id": "r",
        "logical_date": None,
        "run_after": "2025-06-01T02:00:00Z",
        "state": "running",
    }
    asyncio.run(sla.run_sla_missed(context={"dag_run": run, "deadline": {}}))
    assert len(slack.messages) == len(mail.mails) == sent
