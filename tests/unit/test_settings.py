import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from movie_recommender.errors import ConfigurationError
from movie_recommender.settings import Settings, describe, load_settings, usable_settings
from movie_recommender.sources import Layer


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_an_environment_the_promised_defaults_hold() -> None:
    settings = load_settings()
    assert settings.kafka_bootstrap_servers == "localhost:9092"
    assert settings.data_lake_path == "/data/events"
    assert settings.feature_store_path == Path("/data/features/feature_store.duckdb")
    assert settings.mlflow_tracking_uri == "http://localhost:5000"
    assert settings.data_source == "synthetic"
    assert settings.engine == "duckdb"
    assert settings.alert_email == "ml-platform-alerts@example.com"
    thresholds = (
        settings.gate_min_auc,
        settings.gate_min_ndcg_at_10,
        settings.gate_min_hit_rate_at_10,
    )
    assert thresholds == (0.75, 0.50, 0.40)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092, b:9093", "a:9092,b:9093"),
        ("KAFKA_BOOTSTRAP_SERVERS", "[::1]:9092", "[::1]:9092"),
        ("KAFKA_TOPIC_PREFIX", "team-a.", "team-a."),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "SASL_SSL"),
        ("DATA_LAKE_PATH", "s3://bucket/prefix", "s3://bucket/prefix"),
        ("DATA_LAKE_PATH", "gs://bucket/prefix", "gs://bucket/prefix"),
        ("DATA_LAKE_PATH", "relative/lake", "relative/lake"),
        ("DATA_LAKE_PATH", "file:///srv/lake", "file:///srv/lake"),
        ("DATA_LAKE_PATH", "lake@home", "lake@home"),
        ("DATA_LAKE_PATH", "50 % 'of' #1?", "50 % 'of' #1?"),
        ("FEATURE_STORE_PATH", "50%25 'of' [1]", Path("50%25 'of' [1]")),
        ("MLFLOW_TRACKING_URI", "https://mlflow.example.com/", "https://mlflow.example.com"),
        ("MLFLOW_TRACKING_URI", "http://[::1]:5000", "http://[::1]:5000"),
        ("MLFLOW_TRACKING_URI", "https://example.com/mlflow/", "https://example.com/mlflow"),
        ("GATE_MIN_AUC", "1", 1.0),
        ("GATE_MIN_AUC", "0", 0.0),
        ("DATA_SOURCE", "none", "none"),
        ("MOVIELENS_PATH", "data/ml-1m", Path("data/ml-1m")),
        ("SIMULATION_HISTORY_DAYS", "0", 0),
        ("TRAINING_THREADS", "0", 0),
        ("TRAINING_CONSTANTS", '{"dim":32, "dropout":0.1}', '{"dim": 32, "dropout": 0.1}'),
        ("TRAINING_DAY", "daily", "daily"),
        ("SLA_EXTRACT_EVENTS", "90min", timedelta(minutes=90)),
        ("SLA_RUN", "1 d 2 h", timedelta(hours=26)),
    ],
)
def test_a_right_value_is_taken(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), variable.lower()) == expected


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:0", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:65536", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka://localhost:9092", "HOST:PORT"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,", "HOST:PORT"),
        ("KAFKA_TOPIC_PREFIX", "a/b", "letters, digits"),
        ("KAFKA_TOPIC_PREFIX", "x" * 101, "at most 100"),
        ("KAFKA_TIMEOUT_S", "0", "greater than 0"),
        ("KAFKA_TIMEOUT_S", "soon", "number"),
        ("KAFKA_TIMEOUT_S", "nan", "3600|greater than 0"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "'SASL_SSL'"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "'SCRAM-SHA-512'"),
        ("DATA_LAKE_PATH", "hdfs://name/lake", "s3://BUCKET/PREFIX"),
        ("DATA_LAKE_PATH", "s3://", "s3://BUCKET/PREFIX"),
        ("DATA_LAKE_PATH", "s3:bucket/lake", "s3://BUCKET/PREFIX"),
        ("DATA_LAKE_PATH", "file://host/lake", "a directory"),
        ("FEATURE_STORE_PATH", "s3://bucket/store.duckdb", "a path on a disk"),
        ("FEATURE_STORE_PATH", "what?/store.duckdb", "choose one without '?'"),
        ("DATA_LAKE_PATH", "lake[1]", r"choose one without '\['"),
        ("DATA_LAKE_PATH", "file:///srv/50%25", "choose one without '%25'"),
        ("DATA_LAKE_PATH", "s3://bucket/a|b", r"choose one without '\|'"),
        ("MOVIELENS_PATH", "https://example.com/ml-1m", "a path on a disk"),
        ("MLFLOW_TRACKING_URI", "http://localhost:99999", "http://HOST:PORT"),
        ("MLFLOW_TRACKING_URI", "http://local host:5000", "http://HOST:PORT"),
        ("MLFLOW_TRACKING_URI", "http://:5000", "http://HOST:PORT"),
        ("MLFLOW_TRACKING_URI", "localhost:5000", "http://HOST:PORT"),
        ("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", "http://HOST:PORT"),
        ("MLFLOW_TIMEOUT_S", "601", "less than or equal to 600"),
        ("MODEL_NAME", "a model", "pattern"),
        ("DATA_SOURCE", "kafka", "'movielens'"),
        ("ENGINE", "pandas", "'duckdb'"),
        ("SIMULATION_USERS", "0", "greater than or equal to 1"),
        ("SIMULATION_USERS", "6e3.5", "integer"),
        ("SIMULATION_SEED", "-1", "greater than or equal to 0"),
        ("GATE_MIN_AUC", "1.01", "less than or equal to 1"),
        ("GATE_MIN_AUC", "75%", "number"),
        ("GATE_MIN_NDCG_AT_10", "-0.1", "greater than or equal to 0"),
        ("GATE_MIN_HIT_RATE_AT_10", "nan", "than or equal to [01]"),
        ("EVALUATION_WINDOW_DAYS", "0", "greater than or equal to 1"),
        ("TRAINING_EPOCHS", "0", "greater than or equal to 1"),
        ("TRAINING_CONSTANTS", "dropout=0.1", "a JSON object of finite numbers"),
        ("TRAINING_CONSTANTS", "[0.1]", "a JSON object of finite numbers"),
        ("TRAINING_CONSTANTS", '{"dropout": "0.1"}', "a JSON object of finite numbers"),
        ("TRAINING_CONSTANTS", '{"dim": true}', "a JSON object of finite numbers"),
        ("TRAINING_CONSTANTS", '{"dropout": NaN}', "a JSON object of finite numbers"),
        ("TRAINING_CONSTANTS", '{"movie_l2": 1e999}', "a JSON object of finite numbers"),
        ("ALERT_EMAIL", "ml-platform-alerts", "pattern"),
        ("TRAINING_DAY", "Sonntag", "'sunday', 'daily' or 'never'"),
        ("SLA_EXTRACT_EVENTS", "3600", "days, hours and minutes, as in 2h, 90min"),
        ("SLA_EXTRACT_EVENTS", "0min", "expected 1min to 30d"),
        ("SLA_RUN", "31d", "expected 1min to 30d"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=allowed) as caught:
        load_settings()
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith(f"{variable}={value!r}: ")
    assert last == "Correct the environment variable and run again."


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "2")
    monkeypatch.setenv("DATA_SOURCE", "kafka")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "GATE_MIN_AUC='2': " in str(caught.value)
    assert "DATA_SOURCE='kafka': " in str(caught.value)


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    monkeypatch.setenv("MOVIELENS_PATH", "")
    settings = load_settings()
    assert settings.kafka_bootstrap_servers == "localhost:9092"
    assert settings.movielens_path is None


def test_an_override_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATION_USERS", "7")
    assert load_settings(simulation_users=8).simulation_users == 8


def variables(**values: str) -> Layer:
    places = {name: f"Airflow Variable m.{name.upper()}" for name in values}
    return Layer("Airflow Variable", values, places, "Correct it in Airflow.")


def test_the_environment_goes_before_a_layer_and_each_layer_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "0.6")
    first = variables(gate_min_auc="0.7", training_epochs="5")
    second = Layer("Airflow Connection", {"training_epochs": "6", "model_name": "m"}, {}, "")
    settings = load_settings(first, second, simulation_users=8)
    found = {
        name: (getattr(settings, name), settings.source(name))
        for name in ("gate_min_auc", "training_epochs", "model_name", "simulation_users", "engine")
    }
    assert found == {
        "gate_min_auc": (0.6, "environment"),
        "training_epochs": (5, "Airflow Variable"),
        "model_name": ("m", "Airflow Connection"),
        "simulation_users": (8, "argument"),
        "engine": ("duckdb", "default"),
    }


def test_a_wrong_value_of_a_layer_is_told_with_its_place_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATA_SOURCE", "kafka")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(variables(gate_min_auc="2"))
    lines = str(caught.value).splitlines()
    assert any(line.startswith("Airflow Variable m.GATE_MIN_AUC='2': ") for line in lines)
    assert any(line.startswith("DATA_SOURCE='kafka': ") for line in lines)
    assert set(lines[2:]) == {
        "Correct it in Airflow.",
        "Correct the environment variable and run again.",
    }


def test_a_secret_of_a_layer_is_not_told() -> None:
    wrong = Layer(
        "Airflow Connection", {"kafka_sasl_password": ["hunter2"]}, {"kafka_sasl_password": "x"}, ""
    )  # type: ignore[dict-item]
    with pytest.raises(ConfigurationError, match=r"^x=\(hidden\): ") as caught:
        load_settings(wrong)
    assert "hunter2" not in str(caught.value)


def test_what_must_go_on_gets_the_defaults_of_wrong_values_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLA_RUN", "soon")
    monkeypatch.setenv("SLA_TRAIN_MODEL", "5h")
    settings, wrong = usable_settings(variables(gate_min_auc="2", sla_extract_events="10min"))
    assert wrong is not None
    assert "SLA_RUN='soon'" in wrong
    assert "m.GATE_MIN_AUC='2'" in wrong
    assert settings.sla_run == timedelta(hours=6)
    assert settings.sla_train_model == timedelta(hours=5)
    assert settings.sla_extract_events == timedelta(minutes=10)
    monkeypatch.setenv("SLA_RUN", "7h")
    settings, wrong = usable_settings()
    assert (settings.sla_run, wrong) == (timedelta(hours=7), None)


def test_every_setting_but_a_login_has_a_meaning() -> None:
    silent = {name for name, field in Settings.model_fields.items() if not field.description}
    assert {name for name in silent if not name.endswith(("_password", "_username"))} == set()


def test_settings_cannot_be_changed_after_the_door() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().gate_min_auc = 0.1  # type: ignore[misc]


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("KAFKA_SSL_KEY_PASSWORD", "hunter3")
    settings = load_settings()
    shown = f"{describe(settings)} {settings!r} {settings}"
    assert "hunter" not in shown
    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "hunter2"


def test_a_wrong_secret_is_named_but_not_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"^KAFKA_SASL_PASSWORD=\(hidden\): ") as caught:
        load_settings(kafka_sasl_password=["hunter2"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_TRACKING_URI", "https://me:hunter2@mlflow.example.com"),
        ("MLFLOW_TRACKING_URI", "https://me:hun@ter2@mlflow.example.com"),
        ("MLFLOW_TRACKING_URI", "https://hunter2@mlflow.example.com"),
        ("DATA_LAKE_PATH", "s3://key:hunter2@bucket/lake"),
        ("DATA_LAKE_PATH", "s3://key:hun/ter2@bucket/lake"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,me:hunter2@b:9092"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=rf"^{variable}=.*\(hidden\)@") as caught:
        load_settings()
    host = value.rpartition("@")[2]
    assert f"(hidden)@{host}" in str(caught.value)  # the rest helps to find the mistake
    assert not {"hunter2", "hun", "ter2"} & set(re.findall(r"\w+", str(caught.value)))


def test_describe_names_every_variable() -> None:
    shown = describe(load_settings())
    assert set(shown) == {name.upper() for name in Settings.model_fields}
    assert shown["DATA_SOURCE"] == "synthetic"
