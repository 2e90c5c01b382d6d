import json
import logging
from types import SimpleNamespace

import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import delivery
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.settings import AlertContacts

ALERT = Alert(text="late", subject="subject", html="<p>late</p>")
CONTACTS = AlertContacts("team@example.com", "slack_default", "smtp_default")


def connection(**fields):
    from airflow.sdk import Connection

    extra = json.dumps(fields.pop("extra", {}))
    return Connection(conn_id="slack_default", conn_type="http", extra=extra, **fields)


URL = "https://hooks.slack.com/services/T/B/X"


@pytest.mark.parametrize(
    ("host", "token"),
    [
        ("hooks.slack.com", "T/B/X"),
        ("hooks.slack.com", "/services/T/B/X"),
        ("https://hooks.slack.com", "services/T/B/X"),
        ("https://hooks.slack.com/services/", "T/B/X"),
        ("hooks.slack.com/services", " /T/B/X "),
        (None, "T/B/X"),
        ("anything", URL),
    ],
)
def test_a_token_in_the_extra_field_gives_the_webhook(host, token):
    hook = delivery.slack_hook(connection(host=host, extra={"webhook_token": token}))
    assert hook.client.url == URL
    assert hook.client.timeout == delivery.TIMEOUT_S


def test_schema_and_port_of_the_connection_count():
    own = connection(host="relay", schema="http", port=81, extra={"webhook_token": "T/B/X"})
    assert delivery.webhook_url(own) == "http://relay:81/services/T/B/X"


def test_the_providers_form_is_left_to_the_provider():
    own = connection(
        host="https://hooks.slack.com/services", password="T/B/X", extra={"webhook_token": "no"}
    )
    assert delivery.webhook_url(own) is None
    assert delivery.slack_hook(own).client.url == URL


def test_a_connection_without_token_names_the_remedy():
    with pytest.raises(ConfigurationError, match=r"has no token.*airflow connections add"):
        delivery.webhook_url(connection(host="hooks.slack.com"))


def test_no_slack_connection_skips_and_keeps_the_message_in_the_log(caplog):
    from airflow.sdk.exceptions import AirflowSkipException

    task = SimpleNamespace(slack_webhook_conn_id="nowhere", message="the alert's text")
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(AirflowSkipException, match=r"NOT delivered.*connections add nowhere"),
    ):
        delivery.prepare_slack({"task": task})
    assert "the alert's text" in caplog.text


def test_no_smtp_connection_skips_and_keeps_the_mail_in_the_log(caplog):
    from airflow.sdk.exceptions import AirflowSkipException

    task = SimpleNamespace(conn_id="nowhere", subject="the subject", html_content="the content")
    with pytest.raises(AirflowSkipException, match="connections add nowhere"):
        delivery.prepare_mail({"task": task})
    assert "the subject" in caplog.text
    assert "the content" in caplog.text


def test_a_slack_connection_without_token_fails_at_once(monkeypatch):
    from airflow.sdk.exceptions import AirflowFailException

    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", '{"conn_type": "http", "host": "h"}')
    task = SimpleNamespace(slack_webhook_conn_id="slack_default", message="m")
    with pytest.raises(AirflowFailException, match="has no token"):
        delivery.prepare_slack({"task": task})


def test_an_alert_goes_out_by_both_channels(slack, mail):
    assert delivery.deliver(ALERT, delivery.channels(CONTACTS)) == set()
    assert slack.messages == [("/services/T/B/X", "late")]
    [(recipients, content)] = mail.mails
    assert recipients == ["team@example.com"]
    assert "Subject: subject" in content


def test_one_channel_down_doesnt_stop_the_other(slack, mail):
    slack.status = 500
    assert delivery.deliver(ALERT, delivery.channels(CONTACTS)) == {"slack"}
    assert len(mail.mails) == 1


def test_without_connections_nothing_fails(caplog):
    assert delivery.deliver(ALERT, delivery.channels(CONTACTS)) == set()
    assert "connections add slack_default" in caplog.text
    assert "connections add smtp_default" in caplog.text
