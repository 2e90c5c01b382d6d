"""What becomes of a run's alert, operator by operator; `test_runs` runs them in the real DAG."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from movie_recommender.orchestration.operators import (
    EmailOperator,
    SlackWebhookOperator,
    alert_failure_by,
)
from movie_recommender.settings import alert_contacts

START = datetime(2025, 6, 1, 2, tzinfo=UTC)
FAILED = ("extract_events", "train_model")


def context(**changes):
    crumbs = [{"task_id": task, "state": "failed"} for task in reversed(FAILED)]
    crumbs.append({"task_id": "evaluate_model", "state": "upstream_failed"})
    ti = SimpleNamespace(dag_id="d", run_id="r", get_task_breadcrumbs=lambda *_: crumbs)
    facts = {
        "dag_id": "d",
        "run_id": "r",
        "logical_date": None,
        "run_after": START,
        "start_date": START,
        "clear_number": 0,
    }
    return {"ti": ti, "dag_run": SimpleNamespace(**(facts | changes))}


def slack_operator():
    connection = alert_contacts().slack_conn_id
    return SlackWebhookOperator(
        task_id="t", about="failure", slack_webhook_conn_id=connection, message="m"
    )


def test_slack_gets_the_message_of_the_task(slack):
    slack_operator().execute(context())
    assert slack.texts[0].splitlines()[0] == "m"


def test_the_mail_is_the_one_of_the_task(mail):
    EmailOperator(
        task_id="t", about="failure", to="team@example.com", subject="s", html_content="h"
    ).execute(context())
    assert mail.texts[0].startswith("Subject: s\nh")


def test_a_retry_sends_nothing_twice_and_a_cleared_run_is_news(slack):
    slack_operator().execute(context())
    with pytest.raises(AirflowSkipException, match="or was"):
        slack_operator().execute(context())
    assert len(slack.messages) == 1
    slack_operator().execute(context(clear_number=1))
    slack_operator().execute(context(start_date=START.replace(hour=3)))
    assert len(slack.messages) == 3


def test_a_further_channel_gets_every_failed_task_with_its_log(slack, monkeypatch):
    connection = {"conn_type": "generic", "password": f"json://127.0.0.1:{slack.port}/"}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("ALERT_CHANNELS", "slack,mail,apprise")
    alert_failure_by("apprise", **context())
    for task in FAILED:
        assert f"/dags/d/runs/r/tasks/{task}" in slack.texts[0]
    assert "evaluate_model" not in slack.texts[0]


def test_a_channel_that_isnt_wanted_gets_no_failure(slack, monkeypatch):
    monkeypatch.setenv("ALERT_CHANNELS", "mail")
    with pytest.raises(AirflowSkipException, match="ALERT_CHANNELS=mail doesn't name slack"):
        slack_operator().execute(context())
    assert slack.messages == []
