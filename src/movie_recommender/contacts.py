"""Where alerts go, read so that a wrong setting can't stop the alert that names it."""

from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import EnvSettingsSource

from movie_recommender.settings import Settings


@dataclass(frozen=True)
class AlertContacts:
    """Where alerts go, and where they wait; the fields are those of `Settings`."""

    alert_email: str
    slack_conn_id: str
    smtp_conn_id: str
    apprise_conn_id: str
    channels: tuple[str, ...]
    patience_s: float
    outbox: Path


def alert_contacts() -> AlertContacts:
    """Where alerts go, from the environment, whatever is wrong with the other variables.

    Nothing is validated: the alert that says which variable is wrong must still arrive.
    """
    values = EnvSettingsSource(Settings)()

    def value(name: str) -> str:
        return str(values.get(name) or Settings.model_fields[name].default)

    names = ("alert_email", "slack_conn_id", "smtp_conn_id", "apprise_conn_id")
    return AlertContacts(
        **{name: value(name) for name in names},
        channels=tuple(filter(None, (name.strip() for name in value("alert_channels").split(",")))),
        patience_s=_seconds(value("alert_patience_s")),
        outbox=_outbox(values.get("alert_outbox"), value("feature_store_path")),
    )


def _outbox(given: str | None, feature_store: str) -> Path:
    """The alerts' folder; what is no path on a disk gives way to the default."""
    if given and "://" not in given:
        return Path(given)
    known: Path = Settings.model_fields["feature_store_path"].default
    return (known if "://" in feature_store else Path(feature_store)).parent / "alerts"


def _seconds(text: str) -> float:
    """The alerts' patience; the default for what is no number of seconds."""
    known: float = Settings.model_fields["alert_patience_s"].default
    try:
        seconds = float(text)
    except ValueError:
        return known
    return seconds if 0 <= seconds <= 600 else known
