"""Whether alerts wait for a channel; a test alert, if one is asked for."""

from datetime import UTC, datetime
from uuid import uuid4

from movie_recommender.contacts import alert_contacts
from movie_recommender.doctor.channels import ADD, MEND
from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.orchestration import outside


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
            found.append(Finding(f"test alert by {name}", "warn", f"not sent: {error}", ADD))
        except Exception as error:  # noqa: BLE001  (a channel may fail in any way)
            found.append(Finding(f"test alert by {name}", "fail", f"not sent: {error}", MEND))
        else:
            found.append(Finding(f"test alert by {name}", "ok", "sent"))
    return found
