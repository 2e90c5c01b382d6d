from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from movie_recommender.errors import ConfigurationError
from movie_recommender.kafka import client_config, partitions, topic_name
from movie_recommender.settings import load_settings


def test_a_plain_broker_needs_only_its_address() -> None:
    config = client_config(load_settings(kafka_bootstrap_servers="a:9092,b:9092"))
    assert config == {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "PLAINTEXT",
        "log_level": 0,
    }


def test_security_settings_reach_the_client_as_librdkafka_names_them() -> None:
    config = client_config(
        load_settings(
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="reader",
            kafka_sasl_password=SecretStr("hunter2"),
            kafka_ssl_ca_location=Path("certs/ca.pem"),
            kafka_ssl_certificate_location=Path("certs/client.pem"),
            kafka_ssl_key_location=Path("certs/client.key"),
            kafka_ssl_key_password=SecretStr("hunter3"),
        )
    )
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert config["sasl.username"] == "reader"
    assert config["sasl.password"] == "hunter2"
    assert config["ssl.ca.location"] == "certs/ca.pem"
    assert config["ssl.certificate.location"] == "certs/client.pem"
    assert config["ssl.key.location"] == "certs/client.key"
    assert config["ssl.key.password"] == "hunter3"


def test_a_client_adds_its_own_properties() -> None:
    config = client_config(load_settings(), enable_idempotence=True)
    assert config["enable.idempotence"] is True


def test_the_prefix_goes_before_the_topic() -> None:
    assert topic_name(load_settings(kafka_topic_prefix="team-a."), "users") == "team-a.users"
    assert topic_name(load_settings(), "users") == "users"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "GSSAPI"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"},
            "sasl.username",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_ca_location": "no/such.pem"},
            "ssl.ca.location",
        ),
    ],
)
def test_security_that_the_client_refuses_is_a_wrong_setting(
    wrong: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        partitions(load_settings(**wrong))
    protocol = wrong["kafka_security_protocol"]
    assert f"KAFKA_SECURITY_PROTOCOL={protocol}" in str(caught.value)
    assert "Correct the KAFKA_SASL_… or KAFKA_SSL_… variable" in str(caught.value)
