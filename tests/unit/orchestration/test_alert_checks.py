"""The doctor's look at Slack and mail, through Airflow's own connections."""

import json
import os

import pytest

from movie_recommender.doctor import Case, alerts, examine
from movie_recommender.orchestration.outside import Airflow
from movie_recommender.settings import load_settings

pytestmark = pytest.mark.integration  # a real metadata database: slow

CHECKS = {"slack": alerts.check_slack, "mail": alerts.check_mail}


def found(airflow: Airflow | None = None):
    case = Case(load_settings(), clock=None, airflow=airflow or Airflow())
    return {finding.about: finding for finding in examine(case, CHECKS)}


def test_connections_that_can_be_sent_by_are_well_and_nothing_is_sent(airflow_db, slack, mail):
    seen = found()
    assert {finding.status for finding in seen.values()} == {"ok"}
    assert "token in its password" in seen["slack"].seen
    assert "T/B/X" not in str(seen)
    assert "from airflow@example.com, to ml-platform-alerts@example.com" in seen["mail"].seen
    assert slack.messages == mail.mails == []


def test_a_missing_connection_is_a_warning_with_a_remedy(airflow_db):
    seen = found()
    assert {finding.status for finding in seen.values()} == {"warn"}
    assert seen["slack"].seen == "Airflow has no connection slack_default"
    assert seen["mail"].remedy.startswith("Add it in Airflow")


def test_a_connection_without_token_or_sender_fails(airflow_db, monkeypatch):
    for name in ("SLACK", "SMTP"):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps({"conn_type": "http", "host": "h"})
        )
    seen = found()
    assert {finding.status for finding in seen.values()} == {"fail"}
    assert "has no token" in seen["slack"].seen
    assert "from_email None" in seen["mail"].seen


def test_where_airflow_is_not_seen_its_connections_are_not_either():
    seen = found(Airflow(missing="no Airflow is set up here"))
    assert {finding.status for finding in seen.values()} == {"warn"}
    assert "no Airflow is set up here" in seen["slack"].seen


def test_a_test_alert_arrives_by_each_channel_that_answers(airflow_db, slack, mail):
    assert {finding.status for finding in alerts.send_test_alert()} == {"ok"}
    assert "alerts arrive here" in slack.messages[0][1]
    assert "alerts arrive here" in mail.mails[0][1]
    slack.status = 500
    by_slack, by_mail = alerts.send_test_alert()
    assert (by_slack.status, by_mail.status) == ("fail", "ok")
    assert len(mail.mails) == 2


def test_a_connection_of_the_database_is_lent_and_a_missing_one_is_not_called_sent(
    airflow_db, mail, monkeypatch
):
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    monkeypatch.setenv("SMTP_CONN_ID", "night_mail")
    # Set before deleted, so that what is lent is taken back.
    monkeypatch.setenv("AIRFLOW_CONN_NIGHT_MAIL", "")
    monkeypatch.delenv("AIRFLOW_CONN_NIGHT_MAIL")
    fields = json.loads(os.environ["AIRFLOW_CONN_SMTP_DEFAULT"])
    fields["extra"] = json.dumps(fields["extra"])
    with create_session() as session:
        session.add(Connection(conn_id="night_mail", **fields))
    by_slack, by_mail = alerts.send_test_alert()
    assert (by_slack.status, by_mail.status) == ("warn", "ok")
    assert len(mail.mails) == 1
    with create_session() as session:
        session.execute(delete(Connection))
