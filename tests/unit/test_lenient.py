import pytest

from movie_recommender.lenient import alert_contacts
from movie_recommender.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_alerts_know_where_to_go_even_when_the_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "high")
    monkeypatch.setenv("ALERT_EMAIL", "night-shift@example.com")
    contacts = alert_contacts()
    assert contacts.alert_email == "night-shift@example.com"
    assert (contacts.slack_conn_id, contacts.smtp_conn_id) == ("slack_default", "smtp_default")


def test_an_empty_alert_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_EMAIL", "")
    assert alert_contacts().alert_email == "ml-platform-alerts@example.com"
