"""Whether each channel could take an alert, as far as that shows without sending one.

What is seen: that the connection is there and can be read, and that the server's port answers. What
is not: whether the server knows the token and the address; `--send-test-alert` tries that.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from movie_recommender.contacts import AlertContacts, alert_contacts
from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.reach import Place, place_of, trouble
from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import outside

ELSEWHERE = "Run this where Airflow runs, with its environment."
MEND = "Correct the connection in Airflow (Admin, Connections)."
ADD = "Add it in Airflow (Admin, Connections); until then these alerts go to the task's log only."

_ALWAYS = ("slack", "mail")
"""Checked whatever ALERT_CHANNELS says: successes go to Slack, and either may stand in."""

_UNSEEN = "what lies behind can't be seen without sending: --send-test-alert"


def check_slack(case: Case) -> list[Finding]:
    """The Slack connection has a token, and its server answers."""
    return _connection(case, "slack", alert_contacts().slack_conn_id, _slack)


def check_mail(case: Case) -> list[Finding]:
    """The mail connection has a host and a sender, and the host answers."""
    return _connection(case, "mail", alert_contacts().smtp_conn_id, _mail)


def check_others(case: Case) -> list[Finding]:
    """Each further channel that ALERT_CHANNELS names."""
    contacts = alert_contacts()
    names = [name for name in dict.fromkeys(contacts.channels) if name not in _ALWAYS]
    if not names:
        return [Finding("other channels", "ok", "ALERT_CHANNELS names none")]
    if case.airflow.missing is not None:
        text = f"{', '.join(names)} can't be seen: {case.airflow.missing}"
        return [Finding("other channels", "warn", text, ELSEWHERE)]
    from movie_recommender.orchestration.channels import CHANNELS

    found: list[Finding] = []
    for name in names:
        if name in CHANNELS:
            found += LOOKS.get(name, _own)(name, contacts)
        else:
            text = f"ALERT_CHANNELS names {name!r}, expected some of {', '.join(CHANNELS)}"
            found.append(Finding(f"channel {name}", "fail", text, "Correct ALERT_CHANNELS."))
    return found


def _connection(
    case: Case, about: str, conn_id: str, look: Callable[[Any], tuple[str, Place]]
) -> list[Finding]:
    """The connection, of which `look` says what it has and where it leads, or raises."""
    if case.airflow.missing is not None:
        text = f"connection {conn_id} can't be seen: {case.airflow.missing}"
        return [Finding(about, "warn", text, ELSEWHERE)]
    connection = outside.find_connection(conn_id)
    if connection is None:
        return [Finding(about, "warn", f"Airflow has no connection {conn_id}", ADD)]
    seen, place = look(connection)
    return [_reached(about, f"connection {conn_id}: {seen}", place)]


def _slack(connection: Any) -> tuple[str, Place]:
    from movie_recommender.orchestration.connections import slack_hook, webhook_url

    form = "its password" if webhook_url(connection) is None else "the extra field"
    place = place_of(slack_hook(connection).client.url)
    by_proxy = place.proxied or bool(connection.extra_dejson.get("proxy"))
    return f"token in {form}", replace(place, proxied=by_proxy)


def _mail(connection: Any) -> tuple[str, Place]:
    extra = connection.extra_dejson
    sender = extra.get("from_email")
    if not connection.host or not sender:
        message = (
            f"Airflow Connection {connection.conn_id} has host {connection.host!r} and "
            f"from_email {sender!r}; both are needed. Correct it in Airflow (Admin, Connections)."
        )
        raise ConfigurationError(message)
    port = connection.port or (25 if extra.get("disable_ssl") else 465)
    return f"from {sender}, to {alert_contacts().alert_email}", Place(connection.host, port)


def _apprise(name: str, contacts: AlertContacts) -> Sequence[Finding]:
    conn_id = contacts.apprise_conn_id
    connection = outside.find_connection(conn_id)
    if connection is None:
        return [Finding(f"channel {name}", "warn", f"Airflow has no connection {conn_id}", ADD)]
    urls = (connection.password or "").split()
    if not urls:
        text = f"connection {conn_id} has no URL in its password"
        return [Finding(f"channel {name}", "fail", text, MEND)]
    return [
        _service(f"channel {name}", f"connection {conn_id}, URL {number}", url)
        for number, url in enumerate(urls, start=1)
    ]


def _service(about: str, which: str, url: str) -> Finding:
    """One URL, of which nothing is told but what service it is of: it holds a secret."""
    from apprise import Apprise

    with _silent("apprise"):
        service = Apprise.instantiate(url)
    if service is None:
        return Finding(about, "fail", f"{which}: Apprise doesn't know what it is", MEND)
    seen = f"{which}: {service.service_name}"
    place = destination(service)
    if place is None:
        return Finding(about, "ok", f"{seen}; {_UNSEEN}")
    return _reached(about, seen, place)


def destination(service: Any) -> Place | None:
    """Where a service of Apprise's sends to; None: it doesn't say so in a way that is sure.

    What stands in a URL's place of a host is a token with many services: it is asked after only
    where every form of the URL has a host there.
    """
    if getattr(service, "smtp_host", None):
        return Place(service.smtp_host, service.port)
    fixed = getattr(service, "notify_url", None)
    if isinstance(fixed, str):
        place = place_of(fixed)
        return place if place.host and "{" not in place.host else None
    if service.host and all("{host}" in form for form in service.templates):
        port = f":{service.port}" if service.port else ""
        return place_of(f"http{'s' if service.secure else ''}://{service.host}{port}")
    return None


def _own(name: str, _: AlertContacts) -> Sequence[Finding]:
    return [Finding(f"channel {name}", "ok", f"it is a channel; {_UNSEEN}")]


LOOKS: Mapping[str, Callable[[str, AlertContacts], Sequence[Finding]]] = {"apprise": _apprise}
"""How a channel beside Slack and mail is looked at, by its name; one that isn't here is told so."""


def _reached(about: str, seen: str, place: Place) -> Finding:
    if place.proxied:
        return Finding(about, "ok", f"{seen}, to {place.host} by way of a proxy; {_UNSEEN}")
    wrong = trouble(place)
    if wrong is None:
        return Finding(about, "ok", f"{seen}; {place.host}:{place.port} answers")
    remedy = f"Let {place.host}:{place.port} be reached from here, or correct the connection."
    return Finding(about, "fail", f"{seen}; {wrong}", remedy)


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Without this logger's lines: Apprise repeats the URL that it can't read."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
