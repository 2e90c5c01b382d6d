"""Kafka and MLflow as Airflow Connections, mapped to settings.

A connection is asked for only where the environment doesn't name the server, so that its password
isn't sent to another one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import supervisor
from movie_recommender.settings import Settings
from movie_recommender.sources import Layer

REMEDY = "Correct it in Airflow (Admin, Connections), then clear the task."

Find = Callable[[str], Any | None]
"""Gives Airflow's connection of an id, or None."""

_KAFKA_EXTRA = {
    "security.protocol": "kafka_security_protocol",
    "sasl.mechanisms": "kafka_sasl_mechanism",
    "sasl.mechanism": "kafka_sasl_mechanism",
    "sasl.username": "kafka_sasl_username",
    "sasl.password": "kafka_sasl_password",
    "ssl.ca.location": "kafka_ssl_ca_location",
    "ssl.certificate.location": "kafka_ssl_certificate_location",
    "ssl.key.location": "kafka_ssl_key_location",
    "ssl.key.password": "kafka_ssl_key_password",
}
"""The Kafka provider's extra fields, which are librdkafka's own names."""


def find_connection(conn_id: str) -> Any | None:
    """Airflow's connection of that id, or None.

    Raises:
        NotReadyError: Airflow doesn't say. The default would be another server than the one that
            somebody has set, so it is no way out.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        supervisor.confirm_absence(conn_id)
        return None


def layer(settings: Settings, find: Find = find_connection) -> Layer:
    """What the connections say about the servers that `settings` have by default only.

    Raises:
        ConfigurationError: a connection doesn't say enough.
        NotReadyError: Airflow doesn't say what its connections are.
    """
    kinds: Mapping[str, tuple[str, Callable[[Any], dict[str, str]]]] = {
        "kafka_bootstrap_servers": (settings.kafka_conn_id, kafka),
        "mlflow_tracking_uri": (settings.mlflow_conn_id, mlflow),
    }
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for address, (conn_id, mapped) in kinds.items():
        if settings.source(address) != "default" or (connection := find(conn_id)) is None:
            continue
        found = mapped(connection)
        values |= found
        places |= {name: f"Airflow Connection {conn_id}, {name.upper()}" for name in found}
    return Layer(source="Airflow Connection", values=values, places=places, remedy=REMEDY)


def kafka(connection: Any) -> dict[str, str]:
    """The settings that a connection of the Kafka provider's form stands for.

    Brokers: the extra field `bootstrap.servers`, or host and port. Login and password are those of
    SASL; `security.protocol` and what else librdkafka needs are extra fields.

    Raises:
        ConfigurationError: it names no broker, or has a login that its protocol wouldn't use.
    """
    extra = connection.extra_dejson
    login = {"sasl.username": connection.login, "sasl.password": connection.password}
    given = {name: value for name, value in {**login, **extra}.items() if value}
    found = {"kafka_bootstrap_servers": str(extra.get("bootstrap.servers") or _broker(connection))}
    found |= {field: str(given[name]) for name, field in _KAFKA_EXTRA.items() if name in given}
    secured = found.get("kafka_security_protocol", "PLAINTEXT").startswith("SASL_")
    if "kafka_sasl_username" in found and not secured:
        message = (
            f"Airflow Connection {connection.conn_id} has a login, which Kafka gets by SASL only; "
            'add to its extra {"security.protocol": "SASL_SSL", "sasl.mechanism": '
            f'"SCRAM-SHA-512"}} or what the broker has. {REMEDY}'
        )
        raise ConfigurationError(message)
    return found


def mlflow(connection: Any) -> dict[str, str]:
    """The settings that a connection of type HTTP stands for: address, login and password.

    Raises:
        ConfigurationError: it has no host.
    """
    url = _host(connection, "the MLflow server")
    if "://" not in url:
        url = f"{connection.schema or _scheme(connection)}://{url}"
    login = {
        "mlflow_tracking_username": connection.login,
        "mlflow_tracking_password": connection.password,
    }
    port = f":{connection.port}" if connection.port else ""
    found = {name: value for name, value in login.items() if value}
    return {"mlflow_tracking_uri": f"{url.rstrip('/')}{port}", **found}


def _scheme(connection: Any) -> str:
    """Of `https://…` as an address Airflow makes the connection's type."""
    return "https" if connection.conn_type == "https" else "http"


def _broker(connection: Any) -> str:
    host = _host(connection, "the brokers (or in the extra field bootstrap.servers)")
    return host if ":" in host else f"{host}:{connection.port or 9092}"


def _host(connection: Any, whose: str) -> str:
    host = (connection.host or "").strip()
    if not host:
        message = (
            f"Airflow Connection {connection.conn_id} has no host: expected that of {whose}. "
            f"{REMEDY}"
        )
        raise ConfigurationError(message)
    return str(host)
