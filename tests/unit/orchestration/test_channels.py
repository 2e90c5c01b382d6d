"""Each channel against a real server that takes, refuses, dawdles or isn't there."""

import json
import logging
import socket
from datetime import UTC, datetime

import pytest

from movie_recommender.contacts import alert_contacts
from movie_recommender.orchestration import channels
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.channels import CHANNELS, RefusedError
from movie_recommender.orchestration.connections import NotConnectedError
from movie_recommender.orchestration.outbox import Letter
from tests.unit.orchestration.conftest import SLACK_TOKEN, connect_mail, connect_slack

ALERT = Alert(text="late", subject="subject", html="<p>late</p>")
LETTER = Letter("key", ("slack",), ALERT, datetime(2025, 6, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog):
    """Whatever the servers answer."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert SLACK_TOKEN not in caplog.text


def send(name: str) -> None:
    CHANNELS[name](LETTER, alert_contacts())


def refusal(name: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        send(name)
    assert SLACK_TOKEN not in str(caught.value)
    return caught.value


def test_slack_gets_the_text(slack):
    send("slack")
    assert slack.messages == [(f"/services/{SLACK_TOKEN}", "late")]


def test_the_mail_is_addressed_and_has_the_letters_id(mail):
    send("mail")
    [(recipients, content)] = mail.mails
    assert recipients == ["ml-platform-alerts@example.com"]
    assert content.splitlines() == ["Subject: subject", "<p>late</p>"]
    assert mail.ids == [f"<{LETTER.id}@movie-recommender>"]


@pytest.mark.parametrize(
    ("status", "headers", "temporary", "retry_after_s"),
    [
        (500, {}, True, 0),
        (503, {"Retry-After": "7"}, True, 7),
        (429, {"Retry-After": "30"}, True, 30),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, True, 0),
        (400, {}, False, 0),
        (404, {}, False, 0),
    ],
)
def test_what_slack_answers_says_whether_to_try_again(
    slack, status, headers, temporary, retry_after_s
):
    slack.status, slack.headers = status, headers
    error = refusal("slack")
    assert str(error) == f"HTTP {status}"
    assert (error.temporary, error.retry_after_s) == (temporary, retry_after_s)
    assert slack.asked == 1


@pytest.mark.parametrize(
    ("refuses", "reason", "temporary"),
    [
        ({"RCPT": "450 mailbox busy"}, "SMTP 450", True),
        ({"RCPT": "550 no such user"}, "SMTP 550", False),
        ({"DATA": "451 try again"}, "SMTP 451", True),
        ({"DATA": "554 spam"}, "SMTP 554", False),
    ],
)
def test_what_the_mail_server_answers_says_whether_to_try_again(mail, refuses, reason, temporary):
    mail.refuses = refuses
    error = refusal("mail")
    assert (str(error), error.temporary) == (reason, temporary)
    assert mail.asked == 1


def test_a_slow_slack_is_given_its_connections_time(slack, monkeypatch):
    connect_slack(monkeypatch, slack.port, timeout_s=1)
    slack.delay_s = 1.5
    assert refusal("slack").temporary
    assert slack.messages == []


def test_a_slow_mail_server_is_given_its_connections_time(mail, free_port, monkeypatch):
    connect_mail(monkeypatch, free_port, timeout_s=1)
    mail.delay_s = 1.5
    assert refusal("mail").temporary
    assert mail.mails == []


@pytest.mark.parametrize(("name", "connect"), [("slack", connect_slack), ("mail", connect_mail)])
def test_a_server_that_is_down_refuses_without_telling_its_address(
    monkeypatch, free_port, name, connect
):
    connect(monkeypatch, free_port)
    error = refusal(name)
    assert error.temporary
    assert str(error) == "ConnectionRefusedError: Connection refused"


@pytest.mark.parametrize("name", CHANNELS)
def test_without_a_connection_the_remedy_is_told(name):
    with pytest.raises(NotConnectedError, match=r"airflow connections add \w+_default"):
        send(name)


def connect_apprise(monkeypatch, password):
    connection = {"conn_type": "generic", "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(connection))


def test_apprise_sends_to_any_service_of_its(monkeypatch, slack):
    connect_apprise(monkeypatch, f"json://127.0.0.1:{slack.port}/alerts")
    send("apprise")
    [(path, text)] = slack.messages
    assert path.rstrip("/") == "/alerts"
    assert "late" in text


@pytest.mark.parametrize("password", ["", "no-service://x", "json://127.0.0.1:9 nonsense"])
def test_what_is_no_apprise_url_is_refused_for_good(monkeypatch, password):
    connect_apprise(monkeypatch, password)
    error = refusal("apprise")
    assert not error.temporary
    assert "apprise_default" in str(error)


def test_a_service_that_refuses_apprise_can_be_tried_again(monkeypatch, slack):
    slack.status = 500
    connect_apprise(monkeypatch, f"json://127.0.0.1:{slack.port}/")
    assert refusal("apprise").temporary


def test_the_chosen_channels_keep_their_order_and_a_wrong_name_is_logged(monkeypatch, caplog):
    monkeypatch.setenv("ALERT_CHANNELS", "mail, slak,slack")
    assert channels.chosen(alert_contacts()) == ("mail", "slack")
    assert "'slak'" in caplog.text
    monkeypatch.setenv("ALERT_CHANNELS", "slak,apprise,apprise")
    assert channels.chosen(alert_contacts()) == ("apprise",)
    monkeypatch.setenv("ALERT_CHANNELS", "slak")
    assert channels.chosen(alert_contacts()) == ("slack", "mail")


def test_a_server_that_hangs_up_is_a_temporary_refusal(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connect_mail(monkeypatch, listening.getsockname()[1], timeout_s=1)
        assert refusal("mail").temporary  # it never says hello
