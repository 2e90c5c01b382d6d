"""Sending the alerts through Airflow's connections, and what happens where there is none.

Slack. Preferred is the provider's form: the token `T…/B…/X…` in the password (type HTTP, host
`https://hooks.slack.com/services`). The form of older set-ups, the token only in the extra field
`webhook_token` (host `hooks.slack.com`), is refused by the provider; here it works as well.

No connection. An alert without its connection is logged in full with the remedy, and its task
ends as *skipped*: seen in the graph, while the run's outcome stays what the work deserves. A
connection that is there but refuses fails the task after its retries.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.log import mask_secret

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.connections import find_connection
from movie_recommender.orchestration.failures import airflow_errors
from movie_recommender.settings import AlertContacts

logger = logging.getLogger(__name__)

TIMEOUT_S = 10
"""Longest wait for Slack to answer, in seconds."""

_SLACK_REMEDY = (
    "airflow connections add {} --conn-type http "
    "--conn-host https://hooks.slack.com/services --conn-password T…/B…/X…"
)
_SMTP_REMEDY = (
    "airflow connections add {} --conn-type smtp --conn-host HOST --conn-port 587 "
    '--conn-login USER --conn-password … --conn-extra \'{{"from_email": "airflow@HOST"}}\''
)


def webhook_url(connection: Any) -> str | None:
    """The webhook's full URL when the token is only in the extra field `webhook_token`.

    None when the password holds the token: then the provider builds the URL itself.

    Raises:
        ConfigurationError: neither place holds a token.
    """
    if (connection.password or "").strip():
        return None
    token = str(connection.extra_dejson.get("webhook_token") or "").strip()
    if not token:
        message = (
            f"Slack connection {connection.conn_id!r} (host {connection.host!r}) has no token: "
            "expected T…/B…/X… in its password (or in the extra field webhook_token). "
            f"Correct it: {_SLACK_REMEDY.format(connection.conn_id)}"
        )
        raise ConfigurationError(message)
    if "://" in token:
        return token
    return f"{_services_url(connection)}/{token.strip('/').removeprefix('services/')}"


def _services_url(connection: Any) -> str:
    host = (connection.host or "hooks.slack.com").rstrip("/")
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    if connection.port:
        host = f"{host}:{connection.port}"
    return host if host.endswith("/services") else f"{host}/services"


def slack_hook(connection: Any) -> SlackWebhookHook:
    """The provider's hook on `connection`, whichever of the two forms it has.

    Raises:
        ConfigurationError: the connection has no token.
    """
    url = webhook_url(connection)
    known = connection if url is None else _preferred_form(connection, url)

    class KnownConnectionHook(SlackWebhookHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003  (the provider's signature)
            return known

    return KnownConnectionHook(slack_webhook_conn_id=connection.conn_id, timeout=TIMEOUT_S)


def _preferred_form(connection: Any, url: str) -> Connection:
    mask_secret(url)
    extra = {name: connection.extra_dejson.get(name) for name in ("timeout", "proxy")}
    return Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        password=url,
        extra=json.dumps({name: value for name, value in extra.items() if value is not None}),
    )


def prepare_slack(context: Mapping[str, Any]) -> None:
    """Before a SlackWebhookOperator runs: give it a hook for either form of connection.

    Raises:
        AirflowSkipException: there is no such connection.
        AirflowFailException: the connection has no token.
    """
    task = context["task"]
    connection = find_connection(task.slack_webhook_conn_id)
    if connection is None:
        _skip(task.slack_webhook_conn_id, _SLACK_REMEDY, task.message)
    with airflow_errors():
        task.hook = slack_hook(connection)


def prepare_mail(context: Mapping[str, Any]) -> None:
    """Before an EmailOperator runs: skip it where no mail server is set.

    Raises:
        AirflowSkipException: there is no such connection.
    """
    task = context["task"]
    if find_connection(task.conn_id) is None:
        _skip(task.conn_id, _SMTP_REMEDY, f"{task.subject}\n{task.html_content}")


def _skip(conn_id: str, remedy: str, alert: str) -> NoReturn:
    message = _undelivered(conn_id, remedy)
    logger.warning("%s The alert:\n%s", message, alert)
    raise AirflowSkipException(message)


def _undelivered(conn_id: str, remedy: str) -> str:
    return (
        f"This alert was NOT delivered: Airflow has no connection {conn_id!r}. "
        f"Add it: {remedy.format(conn_id)}"
    )


Channel = Callable[[Alert], None]
"""Sends an alert or raises; returns without sending where no connection is set."""


def channels(contacts: AlertContacts) -> dict[str, Channel]:
    """The ways an alert goes out of the triggerer, where no task can carry it, by name."""

    def slack(alert: Alert) -> None:
        connection = find_connection(contacts.slack_conn_id)
        if connection is None:
            logger.warning("%s", _undelivered(contacts.slack_conn_id, _SLACK_REMEDY))
            return
        slack_hook(connection).send(text=alert.text)

    def mail(alert: Alert) -> None:
        if find_connection(contacts.smtp_conn_id) is None:
            logger.warning("%s", _undelivered(contacts.smtp_conn_id, _SMTP_REMEDY))
            return
        with SmtpHook(smtp_conn_id=contacts.smtp_conn_id) as hook:
            hook.send_email_smtp(
                to=contacts.alert_email,
                subject=alert.subject,
                html_content=alert.html,
                conn_id=contacts.smtp_conn_id,
            )

    return {"slack": slack, "mail": mail}


def deliver(alert: Alert, by: Mapping[str, Channel]) -> set[str]:
    """Send `alert` by every channel of `by`; the names of those that failed, each logged."""
    failed = set()
    for name, send in by.items():
        try:
            send(alert)
        except Exception:  # any channel may fail in any way; the others must be tried
            logger.exception("alert not delivered channel=%s subject=%s", name, alert.subject)
            failed.add(name)
    return failed
