"""Airflow's connections to Slack and to the mail server, in every form that users have.

Slack. Preferred is the provider's form: the token `T…/B…/X…` in the password (type HTTP, host
`https://hooks.slack.com/services`). The form of older set-ups, the token only in the extra field
`webhook_token` (host `hooks.slack.com`), is refused by the provider; here it works as well.

The extra field `timeout` of either is respected. What tries again is `delivery`, not a hook.
"""

import json
from typing import Any

from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk import Connection
from airflow.sdk.log import mask_secret

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import servers

TIMEOUT_S = 10
"""Longest wait for one answer where the connection says nothing else, in seconds."""

SLACK_REMEDY = (
    "airflow connections add {} --conn-type http "
    "--conn-host https://hooks.slack.com/services --conn-password T…/B…/X…"
)
SMTP_REMEDY = (
    "airflow connections add {} --conn-type smtp --conn-host HOST --conn-port 587 "
    '--conn-login USER --conn-password … --conn-extra \'{{"from_email": "airflow@HOST"}}\''
)
APPRISE_REMEDY = "airflow connections add {} --conn-type generic --conn-password msteams://…"


class NotConnectedError(ConfigurationError):
    """Airflow has no such connection: nobody is to get alerts this way."""


def find_connection(conn_id: str, remedy: str) -> Any:
    """Airflow's connection of that id.

    Raises:
        NotConnectedError: there is none; `remedy` is the command that adds it.
        NotReadyError: Airflow doesn't say whether there is one.
    """
    found = servers.find_connection(conn_id)
    if found is None:
        message = f"Airflow has no connection {conn_id!r}. Add it: {remedy.format(conn_id)}"
        raise NotConnectedError(message)
    return found


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
            f"Correct it: {SLACK_REMEDY.format(connection.conn_id)}"
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
    """A hook for either form of Slack connection; it doesn't try again by itself.

    Raises:
        ConfigurationError: the connection holds no token.
    """
    url = webhook_url(connection)
    known = connection if url is None else _preferred_form(connection, url)

    class KnownConnectionHook(SlackWebhookHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003  (the provider's signature)
            return known

    timeout_s = int(connection.extra_dejson.get("timeout") or TIMEOUT_S)
    return KnownConnectionHook(
        slack_webhook_conn_id=connection.conn_id, timeout=timeout_s, retry_handlers=[]
    )


def _preferred_form(connection: Any, url: str) -> Connection:
    mask_secret(url)
    proxy = connection.extra_dejson.get("proxy")
    return Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        password=url,
        extra=json.dumps({} if proxy is None else {"proxy": proxy}),
    )


def smtp_hook(connection: Any) -> SmtpHook:
    """A hook for the mail server; it doesn't try again by itself."""
    extra = {"timeout": TIMEOUT_S, **connection.extra_dejson, "retry_limit": 0}
    known = Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=json.dumps(extra),
    )

    class KnownConnectionHook(SmtpHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:  # noqa: ARG003  (the provider's signature)
            return known

    return KnownConnectionHook(smtp_conn_id=connection.conn_id)
