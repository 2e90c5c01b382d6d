from collections.abc import Mapping
from pathlib import Path

import pytest

from movie_recommender.contacts import alert_contacts


def test_alerts_know_where_to_go_even_when_the_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "high")
    monkeypatch.setenv("ALERT_EMAIL", "night-shift@example.com")
    contacts = alert_contacts()
    assert contacts.alert_email == "night-shift@example.com"
    assert (contacts.slack_conn_id, contacts.smtp_conn_id) == ("slack_default", "smtp_default")


@pytest.mark.parametrize(
    ("variables", "outbox"),
    [
        ({}, "/data/features/alerts"),
        ({"FEATURE_STORE_PATH": "/mnt/shared/store.duckdb"}, "/mnt/shared/alerts"),
        ({"FEATURE_STORE_PATH": "s3://wrong/store.duckdb"}, "/data/features/alerts"),
        ({"ALERT_OUTBOX": "/var/alerts"}, "/var/alerts"),
        ({"ALERT_OUTBOX": "s3://wrong/alerts"}, "/data/features/alerts"),
    ],
)
def test_alerts_wait_beside_the_feature_store_or_where_it_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], outbox: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert alert_contacts().outbox == Path(outbox)


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5), ("0", 0), ("", 60), ("soon", 60), ("nan", 60), ("-1", 60)]
)
def test_the_patience_is_a_number_or_the_default(
    monkeypatch: pytest.MonkeyPatch, value: str, seconds: float
) -> None:
    monkeypatch.setenv("ALERT_PATIENCE_S", value)
    assert alert_contacts().patience_s == seconds


def test_an_empty_alert_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_EMAIL", "")
    assert alert_contacts().alert_email == "ml-platform-alerts@example.com"
