"""A real broker with TLS, SCRAM and ACLs: what the right user may, and how a wrong one is told."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from movie_recommender import extract, kafka
from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.events import CONTRACTS
from movie_recommender.lake import Lake
from movie_recommender.local import process
from movie_recommender.serving.delivery import Delivery
from movie_recommender.settings import Settings
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.sink import Sink
from tests.conftest import JARS
from tests.secure_broker import ADMIN, CertificateAuthority, SecureBroker
from tests.stream import view

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PIPELINE, APPLICATION, STRANGER = "pipeline", "application", "stranger"
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """As docs/security.md says: the pipeline reads, an application writes, a stranger neither."""
    users = (PIPELINE, APPLICATION, STRANGER)
    with SecureBroker(JARS, tmp_path_factory.mktemp("secure"), users) as broker:
        kafka.ensure_topics(broker.settings(ADMIN), dict.fromkeys(CONTRACTS, 1))
        for topic in CONTRACTS:
            broker.allow(PIPELINE, TOPIC, topic, READ, DESCRIBE)
        broker.allow(PIPELINE, GROUP, "movie-recommender-extract", READ)
        broker.allow(APPLICATION, TOPIC, "interactions", WRITE, DESCRIBE)
        yield broker


def as_user(broker: SecureBroker, user: str, directory: Path, **changes: object) -> Settings:
    return broker.settings(user, data_lake_path=str(directory / "lake"), **changes)


def send(settings: Settings, event_id: str) -> None:
    """As serving sends feedback."""
    delivery = Delivery(settings)
    try:
        asyncio.run(delivery.send(b"1", view(event_id)))
    finally:
        delivery.close()


def test_events_go_in_by_the_application_and_out_by_the_pipeline(
    broker: SecureBroker, tmp_path: Path
) -> None:
    send(as_user(broker, APPLICATION, tmp_path), "by-serving")
    Sink(as_user(broker, APPLICATION, tmp_path)).send(
        Messages("interactions", [b"1"], [view("by-a-producer")])
    )
    found = extract.run(as_user(broker, PIPELINE, tmp_path), now=NOW)
    assert found.rows["interactions"] == 2
    ids = Lake(str(tmp_path / "lake")).dataset("interactions").to_table(columns=["event_id"])
    assert set(ids["event_id"].to_pylist()) == {"by-serving", "by-a-producer"}


def told_in_time(settings: Settings, *parts: str) -> str:
    """The error of an extraction, which must come within KAFKA_TIMEOUT_S and name these."""
    began = time.monotonic()
    with pytest.raises((ConfigurationError, NotReadyError)) as caught:
        extract.run(settings, now=NOW)
    assert time.monotonic() - began < settings.kafka_timeout_s + 2
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    return message


def test_a_wrong_password_is_told(broker: SecureBroker, tmp_path: Path) -> None:
    wrong = as_user(broker, PIPELINE, tmp_path, kafka_sasl_password="not-the-password")
    message = told_in_time(wrong, broker.servers, "uthentication failed", "KAFKA_SASL_PASSWORD")
    assert "not-the-password" not in message
    with pytest.raises(NotReadyError, match="uthentication failed"):
        send(wrong, "never")


def test_a_certificate_of_another_authority_is_told(broker: SecureBroker, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path / "other").certificate
    wrong = as_user(broker, PIPELINE, tmp_path, kafka_ssl_ca_location=other)
    told_in_time(wrong, broker.servers, "certificate verify failed", "KAFKA_SSL_CA_LOCATION")


def test_no_password_over_a_connection_that_isnt_encrypted(
    broker: SecureBroker, tmp_path: Path
) -> None:
    changes = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_timeout_s": 2.0}
    plain = as_user(broker, PIPELINE, tmp_path, **changes)
    told_in_time(plain, broker.servers, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT")


def test_a_topic_that_a_user_may_not_see_is_told_from_one_that_isnt_there(
    broker: SecureBroker, tmp_path: Path
) -> None:
    told_in_time(
        as_user(broker, STRANGER, tmp_path),
        "'users'",
        "KAFKA_SASL_USERNAME=stranger",
        "grant access",
    )
    admin = broker.settings(
        ADMIN, kafka_topic_prefix="nobodys.", data_lake_path=str(tmp_path / "l")
    )
    assert extract.run(admin, now=NOW).messages == 0


def test_who_may_see_a_topic_but_not_read_it_is_told(broker: SecureBroker, tmp_path: Path) -> None:
    told_in_time(as_user(broker, APPLICATION, tmp_path), "'users'", "grant access")


def test_feedback_without_the_right_to_write_is_told_and_goes_on_once_it_is_given(
    broker: SecureBroker, tmp_path: Path
) -> None:
    broker.allow(STRANGER, TOPIC, "interactions", DESCRIBE)
    delivery = Delivery(as_user(broker, STRANGER, tmp_path))
    try:
        with pytest.raises(NotReadyError, match="uthorization failed"):
            asyncio.run(delivery.send(b"1", view("refused")))
        broker.allow(STRANGER, TOPIC, "interactions", WRITE)
        assert process.wait(lambda: sends(delivery), timeout_s=20)
    finally:
        delivery.close()


def sends(delivery: Delivery) -> bool:
    """Whether the broker takes an event now."""
    try:
        asyncio.run(delivery.send(b"1", view("by-a-stranger")))
    except NotReadyError:
        return False
    return True
