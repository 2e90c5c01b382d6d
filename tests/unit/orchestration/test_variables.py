import pytest

from movie_recommender.orchestration import variables
from movie_recommender.settings import Settings, load_settings

P = variables.PREFIX


def test_a_variable_is_the_value_of_the_setting_that_it_names(monkeypatch):
    monkeypatch.delenv("GATE_MIN_AUC", raising=False)
    settings = load_settings(variables.layer({f"{P}GATE_MIN_AUC": "0.6", f"{P}ENGINE": ""}))
    assert settings.gate_min_auc == 0.6
    assert settings.source("gate_min_auc") == "Airflow Variable"
    assert settings.source("engine") == "default"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("GATE_MIN_ACU", "no such setting, did you mean GATE_MIN_AUC?"),
        ("XYZ", "no such setting$"),
        ("gate_min_auc", r"write movie_recommender\.GATE_MIN_AUC$"),
        ("KAFKA_SASL_PASSWORD", "a secret is no Variable"),
        ("SERVING_ADMIN_KEY", "a secret is no Variable"),
        ("KAFKA_BOOTSTRAP_SERVERS", "set them in a Connection"),
        ("MLFLOW_TRACKING_URI", "set them in a Connection"),
        ("SERVING_PORT", "set it in serving's environment"),
        ("ALERT_EMAIL", "read with the DAG file"),
        ("RETRY_DELAY_S", "read with the DAG file"),
    ],
)
def test_what_cannot_be_a_variable_is_told_and_left_out(name, why):
    found = {f"{P}{name}": "hunter2", f"{P}GATE_MAX_LOSS": "0.1"}
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(*variables.problems(found))
    assert "hunter2" not in str(variables.problems(found))
    assert variables.layer(found).values == {"gate_max_loss": "0.1"}


def test_a_variable_that_cannot_be_decrypted_is_told():
    [problem] = variables.problems({f"{P}ENGINE": None})
    assert "AIRFLOW__CORE__FERNET_KEY" in problem


@pytest.mark.parametrize(
    "name",
    [
        *("GATE_MIN_AUC", "SLA_RUN", "SLA_EXTRACT_EVENTS", "DATA_SOURCE", "TRAINING_DAY"),
        *("SIMULATION_DIRT", "KAFKA_TIMEOUT_S", "DATA_LAKE_PATH", "SERVING_URL", "KAFKA_CONN_ID"),
    ],
)
def test_what_operators_change_can_be_a_variable(name):
    assert name.lower() in Settings.model_fields
    assert variables.problems({f"{P}{name}": "x"}) == []


def test_outside_of_a_task_there_are_none():
    assert variables.in_task().values == {}
