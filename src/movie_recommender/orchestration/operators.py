"""The operators that send a run's alerts: the providers', whose sending goes through `delivery`.

They keep the providers' names, so that the graph shows what people know. Whatever the channels
do, the run ends as its work deserves:

| state | means |
|---|---|
| success | the channel in the operator's name has the alert |
| skipped | it hasn't: another one has it, or it waits in the outbox; the log says which |
| failed | nobody has it, and it could not be kept: it stands in the log only |
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from airflow.providers.slack.operators import slack_webhook
from airflow.providers.smtp.operators import smtp
from airflow.sdk.exceptions import AirflowSkipException

from movie_recommender.orchestration import facts
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.channels import MAIL, SLACK, chosen
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.outbox import Letter
from movie_recommender.settings import AlertContacts, alert_contacts

logger = logging.getLogger(__name__)

About = Literal["success", "failure"]


class SlackWebhookOperator(slack_webhook.SlackWebhookOperator):
    """Sends its `message` to Slack; `about` is what a mail in its place says."""

    def __init__(self, *, about: About, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.about = about

    def execute(self, context: Mapping[str, Any]) -> None:
        """Deliver the alert.

        Raises:
            AirflowSkipException: Slack hasn't taken it; another channel has, or it waits.
            UndeliveredError: nobody has it.
        """
        alert = facts.alert(self.about, context["ti"], context["dag_run"])
        _deliver(replace(alert, text=self.message), self.about, SLACK, context["dag_run"])


class EmailOperator(smtp.EmailOperator):
    """Mails its `subject` and `html_content` to ALERT_EMAIL; `about`: what another channel says."""

    def __init__(self, *, about: About, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.about = about

    def execute(self, context: Mapping[str, Any]) -> None:
        """Deliver the alert.

        Raises:
            AirflowSkipException: the mail server hasn't taken it; another one has, or it waits.
            UndeliveredError: nobody has it.
        """
        alert = facts.alert(self.about, context["ti"], context["dag_run"])
        mail = replace(alert, subject=str(self.subject), html=str(self.html_content))
        _deliver(mail, self.about, MAIL, context["dag_run"])


def alert_failure_by(channel: str, ti: Any, dag_run: Any) -> None:
    """What the failure task of a further channel calls; it ends as the operators do."""
    _deliver(facts.alert("failure", ti, dag_run), "failure", channel, dag_run)


def further_channels(contacts: AlertContacts) -> list[str]:
    """The channels of ALERT_CHANNELS that have no operator of their own."""
    return [name for name in chosen(contacts) if name not in (SLACK, MAIL)]


def _deliver(alert: Alert, about: About, own: str, dag_run: Any) -> None:
    contacts = alert_contacts()
    channels = _channels(about, own, chosen(contacts))
    if not channels:
        message = f"ALERT_CHANNELS={','.join(contacts.channels)} doesn't name {own}: not sent."
        raise AirflowSkipException(message)
    # Started or cleared anew, the run is news again; a retry of this task is not.
    run = f"{dag_run.dag_id}:{dag_run.run_id}:{dag_run.start_date}:{dag_run.clear_number}"
    now = datetime.now(UTC)
    post = Post(contacts)
    outcome = post.deliver(Letter(f"{about}:{run}:{own}", channels, alert, now))
    post.flush(now)
    if outcome.by != own:
        logger.warning("%s The alert:\n%s", outcome.note, alert.text)
        raise AirflowSkipException(outcome.note)


def _channels(about: About, own: str, names: Sequence[str]) -> tuple[str, ...]:
    """Who may take it: of a failure each channel gets its own copy, so nobody stands in."""
    if about == "failure":
        return (own,) if own in names else ()
    return tuple(sorted(names, key=lambda name: name != own))
