"""Whether alerts can be sent by Slack and mail; a test alert, if one is asked for."""

from collections.abc import Callable
from typing import Any

from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import outside
from movie_recommender.settings import alert_contacts

_ELSEWHERE = "Run this where Airflow runs, with its environment."
_ADD = "Add it in Airflow (Admin, Connections); until then these alerts go to the task's log only."


def check_slack(case: Case) -> list[Finding]:
    """The Slack connection has a token and an address."""

    def seen(connection: Any) -> str:
        from movie_recommender.orchestration.delivery import webhook_url

        form = "its password" if webhook_url(connection) is None else "the extra field"
        return f"host {connection.host or 'hooks.slack.com'}, token in {form}"

    return _connection(case, "slack", alert_contacts().slack_conn_id, seen)


def check_mail(case: Case) -> list[Finding]:
    """The mail connection has a host and a sender."""

    def seen(connection: Any) -> str:
        sender = connection.extra_dejson.get("from_email")
        if not connection.host or not sender:
            message = (
                f"Airflow Connection {connection.conn_id} has host {connection.host!r} and "
                f"from_email {sender!r}; both are needed. Correct it in Airflow (Admin, "
                "Connections)."
            )
            raise ConfigurationError(message)
        return f"host {connection.host}, from {sender}, to {alert_contacts().alert_email}"

    return _connection(case, "mail", alert_contacts().smtp_conn_id, seen)


def _connection(case: Case, about: str, conn_id: str, look: Callable[[Any], str]) -> list[Finding]:
    """What `look` says of the connection, which raises where it can't be sent by."""
    if case.airflow.missing is not None:
        text = f"connection {conn_id} can't be seen: {case.airflow.missing}"
        return [Finding(about, "warn", text, _ELSEWHERE)]
    connection = outside.find_connection(conn_id)
    if connection is None:
        return [Finding(about, "warn", f"Airflow has no connection {conn_id}", _ADD)]
    return [Finding(about, "ok", f"connection {conn_id}: {look(connection)}")]


def send_test_alert() -> list[Finding]:
    """Send an alert by every channel that has a connection, and say which took it."""
    from movie_recommender.orchestration import delivery
    from movie_recommender.orchestration.alerts import Alert

    contacts = alert_contacts()
    ids = {"slack": contacts.slack_conn_id, "mail": contacts.smtp_conn_id}
    lent = {name: outside.lend(conn_id) for name, conn_id in ids.items()}
    text = "A test by `movie-recommender doctor`: alerts arrive here."
    alert = Alert(text=text, subject=text, html=f"<p>{text}</p>")
    by = {name: send for name, send in delivery.channels(contacts).items() if lent[name]}
    failed = delivery.deliver(alert, by)
    return [_delivery(name, lent=lent[name], sent=name not in failed) for name in ids]


def _delivery(name: str, *, lent: bool, sent: bool) -> Finding:
    about = f"test alert by {name}"
    if not lent:
        return Finding(about, "warn", "not sent: Airflow has no such connection", _ADD)
    if not sent:
        remedy = "The log above says why; correct the connection in Airflow (Admin, Connections)."
        return Finding(about, "fail", "not sent", remedy)
    return Finding(about, "ok", "sent")
