import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.contacts import alert_contacts
from movie_recommender.orchestration import sla, variables
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.sla import BegunTask

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def begun(task_id: str, age: timedelta) -> BegunTask:
    return BegunTask("d", "r", task_id, 1, NOW - age, execution_date=NOW, run_started=NOW - age)


@pytest.fixture(autouse=True)
def default_slas(monkeypatch):
    for name in ("SLA_RUN", *(f"SLA_{task.upper()}" for task in sla.TASKS)):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("task_id", sla.TASKS)
def test_a_task_is_late_after_its_sla_and_not_before(task_id):
    limits = sla.slas().tasks
    second = timedelta(seconds=1)
    in_time, late = begun(task_id, limits[task_id]), begun(task_id, limits[task_id] + second)
    assert sla.late_tasks([in_time, late], limits, NOW) == [late]


def test_a_task_without_sla_is_never_late():
    task = begun("alert_success", timedelta(days=9))
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
        "queued_at": "2025-06-01T02:00:00.100000Z",
        "state": "running",
    }
    return fields | changes


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_over_its_sla_is_alerted(state):
    alert = sla.run_alert(dag_run(), state)
    assert alert is not None
    assert "not finished 6 h" in alert.text
    assert "Execution date: 2025-06-01T02:00:00+00:00" in alert.text


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_is_over_is_not(state):
    assert sla.run_alert(dag_run(), state) is None


def missed(deadline: str = "1", **changes):
    """Airflow's call about a deadline 6 h after the run was queued first."""
    due = {"id": deadline, "deadline_time": "2025-06-01T08:00:00.100000Z"}
    context = {"dag_run": dag_run(**changes), "deadline": due}
    asyncio.run(sla.run_sla_missed(context=context, sla_s=6 * 3600.0))


def test_the_deadlines_callback_sends_by_both_channels_once(slack, mail):
    missed()
    missed()  # the triggerer was killed before it could say that it was done
    [text], [content] = slack.texts, mail.texts
    assert "manual__1" in text
    assert "manual__1" in content


def test_the_deadline_is_silent_about_a_run_that_was_queued_again(slack, mail):
    missed(queued_at="2025-06-01T07:00:00Z")
    assert slack.messages == mail.mails == []


@pytest.mark.parametrize("queued_at", [None, "2025-06-01T02:00:30Z"])
def test_where_that_isnt_sure_it_speaks(slack, mail, queued_at):
    missed(queued_at=queued_at)
    assert len(slack.messages) == len(mail.mails) == 1


def test_the_deadlines_alert_survives_both_channels(slack, mail, outbox):
    slack.status, mail.refuses = 500, {"RCPT": "450 busy"}
    missed()
    slack.status, mail.refuses = 200, {}
    assert Post(alert_contacts()).flush(datetime.now(UTC)) == 2
    assert (len(slack.messages), len(mail.mails)) == (1, 1)


@pytest.mark.parametrize(("found", "sent"), [("8h", 0), (None, 1)])
def test_the_deadline_is_silent_where_a_variable_counts(monkeypatch, slack, mail, found, sent):
    values = {} if found is None else {f"{variables.PREFIX}SLA_RUN": found}
    monkeypatch.setattr(variables, "read", lambda: values)
    missed()
    assert len(slack.messages) == len(mail.mails) == sent
