import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.orchestration import sla
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.sla import BegunTask
from movie_recommender.settings import alert_contacts

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def begun(task_id: str, age: timedelta) -> BegunTask:
    return BegunTask("d", "r", task_id, 1, NOW - age, execution_date=NOW, run_started=NOW - age)


@pytest.mark.parametrize(("task_id", "limit"), sla.TASK_SLAS.items())
def test_a_task_is_late_after_its_sla_and_not_before(task_id, limit):
    second = timedelta(seconds=1)
    in_time, late = begun(task_id, limit), begun(task_id, limit + second)
    assert sla.late_tasks([in_time, late], NOW) == [late]


def test_a_task_without_sla_is_never_late():
    assert sla.late_tasks([begun("alert_success", timedelta(days=9))], NOW) == []


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
    alert = sla.run_alert(dag_run(), state)
    assert alert is not None
    assert "not finished 6 h" in alert.text
    assert "Execution date: 2025-06-01T02:00:00+00:00" in alert.text


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_is_over_is_not(state):
    assert sla.run_alert(dag_run(), state) is None


def missed(deadline: str = "1"):
    asyncio.run(sla.run_sla_missed(context={"dag_run": dag_run(), "deadline": {"id": deadline}}))


def test_the_deadlines_callback_sends_by_both_channels_once(slack, mail):
    missed()
    missed()  # the triggerer was killed before it could say that it was done
    [text], [content] = slack.texts, mail.texts
    assert "manual__1" in text
    assert "manual__1" in content
    missed("2")  # the run was cleared, and is late again
    assert len(slack.messages) == len(mail.mails) == 2


def test_the_deadlines_alert_survives_both_channels(slack, mail, outbox):
    slack.status, mail.refuses = 500, {"RCPT": "450 busy"}
    missed()
    slack.status, mail.refuses = 200, {}
    assert Post(alert_contacts()).flush(datetime.now(UTC)) == 2
    assert (len(slack.messages), len(mail.mails)) == (1, 1)
