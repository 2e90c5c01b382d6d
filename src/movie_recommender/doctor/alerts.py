"""Whether alerts can be sent, and whether some wait; a test alert, if one is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from movie_recommender.contacts import alert_contacts
from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import outside

_ELSEWHERE = "Run this where Airflow runs, with its environment."
_MEND = "Correct the connection in Airflow (Admin, Connections)."
_ADD = "Add it in Airflow (Admin, Connections); until then these alerts go to the task's log only."


def check_slack(case: Case) -> list[Finding]:
    """The Slack connection has a token and an address."""

    def seen(connection: Any) -> str:
        from movie_recommender.orchestration.connections import webhook_url

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


def check_outbox(case: Case) -> list[Finding]:  # noqa: ARG001  (it is the environment's alone)
    """The outbox can be written, and what waits in it, oldest first."""
    from movie_recommender.orchestration.outbox import Outbox

    folder = alert_contacts().outbox
    problem = write_problem(nearest(folder))
    if problem is not None:
        remedy = "Set ALERT_OUTBOX to a folder that tasks and triggerers share and may write."
        return [Finding("outbox", "warn", problem, remedy)]
    waiting = Outbox(folder).waiting()
    if not waiting:
        return [Finding("outbox", "ok", f"{folder}: no alert waits")]
    seen = f"{folder}: {len(waiting)} alerts wait, the oldest since {waiting[0].written}"
    return [Finding("outbox", "warn", seen, "See docs/runbooks.md, Undelivered alerts.")]


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
    """Send an alert by every channel of ALERT_CHANNELS, and say which took it."""
    from movie_recommender.orchestration.alerts import Alert
    from movie_recommender.orchestration.channels import CHANNELS, chosen
    from movie_recommender.orchestration.connections import NotConnectedError
    from movie_recommender.orchestration.outbox import Letter

    contacts = alert_contacts()
    for conn_id in (contacts.slack_conn_id, contacts.smtp_conn_id, contacts.apprise_conn_id):
        outside.lend(conn_id)
    text = "A test by `movie-recommender doctor`: alerts arrive here."
    alert = Alert(text=text, subject=text, html=f"<p>{text}</p>")
    found = []
    for name in chosen(contacts):
        letter = Letter(f"test:{uuid4()}", (name,), alert, datetime.now(UTC))
        try:
            CHANNELS[name](letter, contacts)
        except NotConnectedError as error:
            found.append(Finding(f"test alert by {name}", "warn", f"not sent: {error}", _ADD))
        except Exception as error:  # noqa: BLE001  (a channel may fail in any way)
            found.append(Finding(f"test alert by {name}", "fail", f"not sent: {error}", _MEND))
        else:
            found.append(Finding(f"test alert by {name}", "ok", "sent"))
    return found
