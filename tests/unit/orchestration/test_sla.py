import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.orchestration import sla
from movie_recommender.orchestration.sla import RunningTask

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def running(task_id: str, age: timedelta) -> RunningTask:
    return RunningTask("d", "r", task_id, 1, started=NOW - age, execution_date=NOW)


@pytest.fixture(autouse=True)
def default_slas(monkeypatch):
    for name in ("SLA_RUN", *(f"SLA_{task.upper()}" for task in sla.TASKS)):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("task_id", sla.TASKS)
def test_a_task_is_late_after_its_sla_and_not_before(task_id):
    limits = sla.slas().tasks
    second = timedelta(seconds=1)
    in_time, late = running(task_id, limits[task_id]), running(task_id, limits[task_id] + second)
    assert sla.late_tasks([in_time, late], limits, NOW) == [late]


def test_a_task_without_sla_is_never_late():
    task = running("alert_success", timedelta(days=9))
    assert sla.late_tasks([task], sla.slas().tasks, NOW) == []


def test_slas_are_settings_and_a_wrong_one_gives_way_to_its_default(monkeypatch):
    monkeypatch.setenv("SLA_EXTRACT_EVENTS", "20min")
    monkeypatch.setenv("SLA_TRAIN_MODEL", "long")
    monkeypatch.setenv("SLA_RUN", "8h")
    found = sla.slas()
    assert found.tasks["extract_events"] == timedelta(minutes=20)
    assert found.tasks["train_model"] == timedelta(hours=4)
    assert found.run == timedelta(hours=8)
    assert "SLA_TRAIN_MODEL='long'" in found.wrong


def dag_run(**changes):
    fields = {
        "dag_id": "movie_recommender_pipeline",
        "dag_run_id": "manual__1",
        "logical_date": None,
        "run_after": "2025-06-01T02:00:00Z",
        "state": "running",
    }
    return fields | changes


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_over_its_sla_is_alerted(state):
    alert = sla.run_alert(dag_run(state=state))
    assert alert is not None
    assert "not finished 6 h" in alert.text
    assert "Execution date: 2025-06-01T02:00:00+00:00" in alert.text


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_is_over_is_not(state):
    assert sla.run_alert(dag_run(state=state)) is None


def test_the_deadlines_callback_sends_by_both_channels(slack, mail):
    asyncio.run(sla.run_sla_missed(context={"dag_run": dag_run(), "deadline": {}}))
    assert "manual__1" in slack.messages[0][1]
    assert "manual__1" in mail.mails[0][1]
