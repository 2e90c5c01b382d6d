"""The doctor's look at Slack and mail, through Airflow's own connections."""

import json
import os
from uuid import uuid4

import pytest

from movie_recommender.doctor import Case, alerts, channels, examine
from movie_recommender.orchestration.outside import Airflow
from movie_recommender.settings import load_settings
from tests.unit.orchestration.letters import letter

pytestmark = pytest.mark.integration  # a real metadata database: slow

CHECKS = {
    "slack": channels.check_slack,
    "mail": channels.check_mail,
    "other channels": channels.check_others,
}


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
    assert {seen[name].status for name in ("slack", "mail")} == {"warn"}
    assert seen["slack"].seen == "Airflow has no connection slack_default"
    assert seen["mail"].remedy.startswith("Add it in Airflow")


def test_a_connection_without_token_or_sender_fails(airflow_db, monkeypatch):
    for name in ("SLACK", "SMTP"):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps({"conn_type": "http", "host": "h"})
        )
    seen = found()
    assert {seen[name].status for name in ("slack", "mail")} == {"fail"}
    assert "has no token" in seen["slack"].seen
    assert "from_email None" in seen["mail"].seen


def test_a_server_that_nobody_answers_at_fails(airflow_db, slack, mail, monkeypatch):
    slack.close()
    host = f"{uuid4().hex}.invalid"
    connection = {"conn_type": "smtp", "host": host, "extra": {"from_email": "a@example.com"}}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    seen = found()
    assert {seen[name].status for name in ("slack", "mail")} == {"fail"}
    assert f"127.0.0.1:{slack.port} doesn't answer: Connection refused" in seen["slack"].seen
    assert f"no address is known for {host}" in seen["mail"].seen


def test_what_goes_by_a_proxy_is_not_said_to_be_reached(airflow_db, slack, monkeypatch):
    slack.close()
    fields = json.loads(os.environ["AIRFLOW_CONN_SLACK_DEFAULT"])
    fields["extra"] = {"proxy": "http://127.0.0.1:9"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(fields))
    told = found()["slack"]
    assert told.status == "ok"
    assert "by way of a proxy" in told.seen


def test_each_url_of_apprise_is_looked_at_and_none_is_shown(airflow_db, slack, monkeypatch, caplog):
    service = f"json://a-user:a-secret@127.0.0.1:{slack.port}/alerts"
    urls = f"{service} no-service://a-secret pagerduty://{'a-secret' * 4}@{'b' * 20}"
    connection = {"conn_type": "generic", "password": urls}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("ALERT_CHANNELS", "slack,apprise")
    case = Case(load_settings(), clock=None)
    well, wrong, unseen = channels.check_others(case)
    assert (well.status, f"127.0.0.1:{slack.port} answers" in well.seen) == ("ok", True)
    assert (wrong.status, "URL 2" in wrong.seen) == ("fail", True)
    assert (unseen.status, "can't be seen without sending" in unseen.seen) == ("ok", True)
    assert "a-secret" not in f"{well}{wrong}{unseen}{caplog.text}"
    assert slack.messages == []


def test_a_channel_of_ones_own_is_known_and_a_wrong_name_is_told(airflow_db, monkeypatch):
    from movie_recommender.orchestration import channels as sending

    monkeypatch.setattr(sending, "CHANNELS", {**sending.CHANNELS, "pager": None})
    monkeypatch.setenv("ALERT_CHANNELS", "pager,slak,apprise")
    own, wrong, missing = channels.check_others(Case(load_settings(), clock=None))
    assert (own.status, "without sending" in own.seen) == ("ok", True)
    assert (wrong.status, "'slak'" in wrong.seen) == ("fail", True)
    assert missing.seen == "Airflow has no connection apprise_default"


def test_where_airflow_is_not_seen_its_connections_are_not_either(monkeypatch):
    monkeypatch.setenv("ALERT_CHANNELS", "apprise")
    seen = found(Airflow(missing="no Airflow is set up here"))
    assert {finding.status for finding in seen.values()} == {"warn"}
    for name in CHECKS:
        assert "no Airflow is set up here" in seen[name].seen


def test_the_outbox_says_what_waits_and_whether_it_can_be_written(monkeypatch, outbox, tmp_path):
    def seen():
        [finding] = alerts.check_outbox(None)
        return finding

    assert seen().status == "ok"
    outbox.put(letter("a"))
    outbox.put(letter("b"))
    assert seen().status == "warn"
    assert "2 alerts wait, the oldest since 2025-06-01 12:00" in seen().seen
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    assert "can't be written" in seen().seen
    assert "ALERT_OUTBOX" in seen().remedy


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
