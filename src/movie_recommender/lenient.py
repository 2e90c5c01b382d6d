"""What is read from the environment whatever is wrong with the other settings.

The DAG must be readable, and an alert that says which setting is wrong must arrive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import EnvSettingsSource

from movie_recommender import pod_resources
from movie_recommender.pod_resources import PodResources
from movie_recommender.settings import Settings


@dataclass(frozen=True)
class AlertContacts:
    """Where alerts go, and the addresses they link to; the fields are those of `Settings`."""

    alert_email: str
    slack_conn_id: str
    smtp_conn_id: str
    apprise_conn_id: str
    channels: tuple[str, ...]
    patience_s: float
    outbox: Path
    model_name: str
    mlflow_tracking_uri: str
    serving_url: str


def alert_contacts() -> AlertContacts:
    """Where alerts go, from the environment, whatever is wrong with the other variables.

    Nothing is validated: the alert that says which variable is wrong must still arrive.
    """
    values = EnvSettingsSource(Settings)()

    def value(name: str) -> str:
        return str(values.get(name) or Settings.model_fields[name].default)

    names = ("alert_email", "slack_conn_id", "smtp_conn_id", "apprise_conn_id", "model_name")
    return AlertContacts(
        **{name: value(name) for name in (*names, "mlflow_tracking_uri", "serving_url")},
        channels=tuple(filter(None, (name.strip() for name in value("alert_channels").split(",")))),
        patience_s=_seconds(value("alert_patience_s")),
        outbox=Path(value("alert_outbox")),
    )


def _seconds(text: str) -> float:
    """The alerts' patience; the default for what is no number of seconds."""
    known: float = Settings.model_fields["alert_patience_s"].default
    try:
        seconds = float(text)
    except ValueError:
        return known
    return seconds if 0 <= seconds <= 600 else known


def task_resources() -> Mapping[str, PodResources]:
    """What the pods of tasks ask for, from the environment; nothing where the variable is wrong.

    It is read where the DAG is, which must stay readable: each task says what is wrong, and is
    alerted.
    """
    given = EnvSettingsSource(Settings)().get("task_resources")
    try:
        return pod_resources.parse(str(given or "{}"))
    except ValueError:
        return {}
