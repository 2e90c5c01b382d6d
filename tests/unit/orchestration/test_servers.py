import json

import pytest
from airflow.sdk import Connection

from movie_recommender.errors import ConfigurationError
from movie_recommender.kafka import client_config
from movie_recommender.orchestration import servers
from movie_recommender.settings import load_settings

OURS = ("KAFKA_", "MLFLOW_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    import os

    for name in [n for n in os.environ if n.startswith((*OURS, "AIRFLOW_CONN_"))]:
        monkeypatch.delenv(name)


def connection(conn_id="kafka_default", extra=None, **fields):
    return Connection(conn_id=conn_id, conn_type="generic", extra=json.dumps(extra or {}), **fields)


def test_a_kafka_connection_of_the_providers_form_configures_the_client():
    extra = {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "ssl.ca.location": "/run/secrets/ca.pem",
        "group.id": "not ours",
    }
    found = connection(extra=extra, login="me", password="hunter2")
    settings = load_settings(servers.layer(load_settings(), {"kafka_default": found}.get))
    assert settings.source("kafka_sasl_password") == "Airflow Connection"
    assert "hunter2" not in repr(settings)
    client = client_config(settings)
    assert client["bootstrap.servers"] == "a:9092,b:9092"
    assert client["sasl.username"] == "me"
    assert client["sasl.password"] == "hunter2"
    assert client["ssl.ca.location"] == "/run/secrets/ca.pem"
    assert client["security.protocol"] == "SASL_SSL"


@pytest.mark.parametrize(
    ("fields", "brokers"),
    [
        ({"host": "kafka"}, "kafka:9092"),
        ({"host": "kafka", "port": 9999}, "kafka:9999"),
        ({"host": "a:1,b:2", "port": 9999}, "a:1,b:2"),
    ],
)
def test_a_kafka_connection_may_name_a_host(fields, brokers):
    assert servers.kafka(connection(**fields)) == {"kafka_bootstrap_servers": brokers}


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "mlflow.example.com", "schema": "https"}, "https://mlflow.example.com"),
        ({"host": "mlflow", "port": 5000}, "http://mlflow:5000"),
        ({"host": "https://mlflow.example.com/", "port": 8443}, "https://mlflow.example.com:8443"),
    ],
)
def test_an_mlflow_connection_names_the_server_and_who_one_is(fields, url):
    found = connection("mlflow_default", login="me", password="hunter2", **fields)
    assert servers.mlflow(found) == {
        "mlflow_tracking_uri": url,
        "mlflow_tracking_username": "me",
        "mlflow_tracking_password": "hunter2",
    }


def test_a_server_that_the_environment_names_gets_no_connections_password(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "other:9092")
    asked = []
    layer = servers.layer(load_settings(), asked.append)
    assert asked == ["mlflow_default"]
    assert layer.values == {}


def test_the_ids_are_settings(monkeypatch):
    monkeypatch.setenv("MLFLOW_CONN_ID", "our_mlflow")
    monkeypatch.setenv(
        "AIRFLOW_CONN_OUR_MLFLOW", '{"conn_type": "http", "host": "mlflow.example.com"}'
    )
    layer = servers.layer(load_settings())
    assert layer.values == {"mlflow_tracking_uri": "http://mlflow.example.com"}


@pytest.mark.parametrize(
    ("mapped", "fields", "why"),
    [
        (servers.kafka, {}, "kafka_default has no host.*bootstrap.servers"),
        (servers.mlflow, {"login": "me"}, "has no host"),
        (servers.kafka, {"host": "a", "login": "me", "password": "x"}, "security.protocol"),
    ],
)
def test_a_connection_that_says_too_little_is_refused_with_a_remedy(mapped, fields, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        mapped(connection(**fields))
    assert "Correct it in Airflow (Admin, Connections)" in str(caught.value)


def test_a_wrong_value_names_the_connection_and_hides_its_password():
    extra = {"bootstrap.servers": "a", "security.protocol": "SASL_SSL"}
    found = connection(extra=extra, login="me", password="hunter2")
    layer = servers.layer(load_settings(), {"kafka_default": found}.get)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(layer)
    text = str(caught.value)
    assert text.startswith("Airflow Connection kafka_default, KAFKA_BOOTSTRAP_SERVERS='a': ")
    assert "hunter2" not in text
