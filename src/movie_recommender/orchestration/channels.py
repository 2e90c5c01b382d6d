"""The ways an alert goes out: one entry in `CHANNELS` each.

A channel is a function that hands an alert to one server, once, and returns when it was taken. It
raises `RefusedError` with what a retry should know, or `NotConnectedError` where Airflow has no
connection for it. No reason holds an address: Slack's and Apprise's are secrets.

To add a channel write its function, put it into `CHANNELS`, and name it in ALERT_CHANNELS.
Microsoft Teams, PagerDuty, a webhook and a hundred others need no code: `apprise` sends to any
URL of the library of that name, taken from the password of connection `apprise_default`.
"""

import logging
import smtplib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException

from airflow.sdk.exceptions import AirflowException
from airflow.sdk.log import mask_secret

from movie_recommender.contacts import AlertContacts
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration.connections import (
    APPRISE_REMEDY,
    SLACK_REMEDY,
    SMTP_REMEDY,
    find_connection,
    slack_hook,
    smtp_hook,
)
from movie_recommender.orchestration.outbox import Letter

logger = logging.getLogger(__name__)

SLACK = "slack"
MAIL = "mail"


class RefusedError(NotReadyError):
    """A channel didn't take an alert.

    Attributes:
        temporary: whether trying again can help.
        retry_after_s: how long the server asked to be left alone, in seconds.
    """

    def __init__(self, reason: str, *, temporary: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.temporary = temporary
        self.retry_after_s = retry_after_s


Send = Callable[[Letter, AlertContacts], None]
"""Hands a letter over, or raises RefusedError, or NotConnectedError."""


def _slack(letter: Letter, contacts: AlertContacts) -> None:
    connection = find_connection(contacts.slack_conn_id, SLACK_REMEDY)
    try:
        answer = slack_hook(connection).client.send(text=letter.alert.text)
    except (OSError, HTTPException) as error:
        raise RefusedError(_named(error)) from None
    if answer.status_code != HTTPStatus.OK:
        busy = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        headers = {name.lower(): value for name, value in answer.headers.items()}
        reason = f"HTTP {answer.status_code}"
        raise RefusedError(
            reason,
            temporary=busy or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR,
            retry_after_s=_seconds(headers.get("retry-after", "")),
        )


def _mail(letter: Letter, contacts: AlertContacts) -> None:
    connection = find_connection(contacts.smtp_conn_id, SMTP_REMEDY)
    hook = smtp_hook(connection)
    try:
        with hook:
            hook.send_email_smtp(
                to=contacts.alert_email,
                subject=letter.alert.subject,
                html_content=letter.alert.html,
                custom_headers={"Message-ID": f"<{letter.id}@movie-recommender>"},
            )
    except smtplib.SMTPRecipientsRefused as error:  # there is one
        raise _smtp_refusal(*(code for code, _ in error.recipients.values())) from None
    except smtplib.SMTPResponseException as error:
        raise _smtp_refusal(error.smtp_code) from None
    except OSError as error:  # smtplib's are such
        raise RefusedError(_named(error)) from None
    except AirflowException as error:  # no sender is set; or the server hung up at once
        raise RefusedError(str(error)) from None


def _apprise(letter: Letter, contacts: AlertContacts) -> None:
    connection = find_connection(contacts.apprise_conn_id, APPRISE_REMEDY)
    from apprise import Apprise, NotifyFormat

    urls = (connection.password or "").split()
    for url in urls:
        mask_secret(url)
    service = Apprise(urls)
    if len(service) != len(urls) or not urls:
        reason = f"the password of connection {contacts.apprise_conn_id!r} is no Apprise URL"
        raise RefusedError(reason, temporary=False)
    alert = letter.alert
    if not service.notify(title=alert.subject, body=alert.html, body_format=NotifyFormat.HTML):
        reason = "Apprise's service refused; its log line above says why"
        raise RefusedError(reason)


CHANNELS: Mapping[str, Send] = {SLACK: _slack, MAIL: _mail, "apprise": _apprise}
"""Every channel by its name in ALERT_CHANNELS."""


def chosen(contacts: AlertContacts) -> tuple[str, ...]:
    """The channels of ALERT_CHANNELS, in its order; a name that is none is left out and logged.

    Where none is left the default counts: a slip of the pen silences no alert.
    """
    for name in contacts.channels:
        if name not in CHANNELS:
            those = ", ".join(CHANNELS)
            logger.error("ALERT_CHANNELS names %r, which is no channel (%s): left out", name, those)
    known = tuple(name for name in dict.fromkeys(contacts.channels) if name in CHANNELS)
    return known or (SLACK, MAIL)


def _named(error: Exception) -> str:
    """What went wrong, without the address that some errors repeat."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    number = getattr(cause, "strerror", None)
    return f"{type(cause).__name__}: {number}" if number else type(cause).__name__


def _smtp_refusal(code: int) -> RefusedError:
    """4xx: later perhaps; 5xx: never."""
    return RefusedError(f"SMTP {code}", temporary=code < 500)


def _seconds(value: str) -> float:
    """A Retry-After in seconds; 0 for its other form, a date, and for nonsense."""
    return float(value) if value.isdecimal() else 0.0
