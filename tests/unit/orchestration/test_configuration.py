"""What a task's process and its child get, without an Airflow around; `test_runs` has one."""

import json
from types import SimpleNamespace

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk.exceptions import AirflowFailException

from movie_recommender.orchestration import configuration
from movie_recommender.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def kafka_connection(monkeypatch):
    extra = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    fields = {"conn_type": "kafka", "host": "broker", "login": "me", "password": "hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({**fields, "extra": extra}))


def test_a_task_gets_a_connections_broker(kafka_connection):
    settings = configuration.task_settings()
    assert settings.kafka_bootstrap_servers == "broker:9092"
    assert settings.source("kafka_bootstrap_servers") == "Airflow Connection"


def test_a_child_process_comes_to_the_same_settings(kafka_connection, monkeypatch):
    settings = configuration.task_settings()
    ours = configuration.environment(settings)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    there = load_settings()
    assert {name: getattr(there, name) for name in Settings.model_fields} == {
        name: getattr(settings, name) for name in Settings.model_fields
    }
    assert set(ours) == {
        *("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM"),
        *("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
    }


def test_a_password_reaches_the_command_and_no_field_of_the_operator(kafka_connection):
    task = BashOperator(task_id="t", bash_command="echo $KAFKA_SASL_PASSWORD", append_env=True)
    configuration.prepare_subprocess({"task": task})
    assert task.execute({}) == "hunter2"
    assert "hunter2" not in repr({name: getattr(task, name) for name in task.template_fields})


def test_a_wrong_connection_fails_the_task_at_once(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", '{"conn_type": "http", "host": "a b"}')
    with pytest.raises(AirflowFailException, match="Airflow Connection mlflow_default, MLFLOW"):
        configuration.prepare_subprocess({"task": SimpleNamespace()})
