"""A real broker with TLS, SCRAM and ACLs: what the right user may, and how a wrong one is told."""

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from confluent_kafka.admin import AclOperation, ResourceType

from movie_recommender import extract, kafka
from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.events import CONTRACTS
from movie_recommender.lake import Lake
from movie_recommender.local import process
from movie_recommender.serving.delivery import Delivery
from movie_recommender.settings import Settings
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.progress import TOPIC as PROGRESS
from movie_recommender.simulation.progress import ensure_topic, last_record, write_record
from movie_recommender.simulation.sink import Sink
from tests.conftest import JARS
from tests.secure_broker import ADMIN, CertificateAuthority, SecureBroker
from tests.stream import view

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
USERS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "kafka" / "users.yaml"
PIPELINE, APPLICATION, STRANGER = "movie-recommender", "application", "stranger"
TOPIC, WRITE, DESCRIBE = ResourceType.TOPIC, AclOperation.WRITE, AclOperation.DESCRIBE


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """The deployment's users with the rights that it gives them, and a stranger without any."""
    users = (PIPELINE, APPLICATION, STRANGER)
    with SecureBroker(JARS, tmp_path_factory.mktemp("secure"), users) as broker:
        kafka.ensure_topics(broker.settings(ADMIN), dict.fromkeys([*CONTRACTS, PROGRESS], 1))
        for user in yaml.safe_load_all(USERS.read_text()):
            for acl in user["spec"]["authorization"]["acls"]:
                kind, name = acl["resource"]["type"], acl["resource"]["name"]
                operations = [AclOperation[in_capitals(each)] for each in acl["operations"]]
                broker.allow(
                    user["metadata"]["name"], ResourceType[kind.upper()], name, *operations
                )
        yield broker


def in_capitals(operation: str) -> str:
    """`DescribeConfigs` as the client calls it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()


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
    send(as_user(broker, PIPELINE, tmp_path), "by-serving")
    sink = Sink(as_user(broker, APPLICATION, tmp_path))
    sink.send(Messages("interactions", [b"1"], [view("by-an-application")]))
    found = extract.run(as_user(broker, PIPELINE, tmp_path), now=NOW)
    assert found.rows["interactions"] == 2
    ids = Lake(str(tmp_path / "lake")).dataset("interactions").to_table(columns=["event_id"])
    assert set(ids["event_id"].to_pylist()) == {"by-serving", "by-an-application"}


def test_the_simulator_knows_how_far_it_has_come(broker: SecureBroker, tmp_path: Path) -> None:
    settings = as_user(broker, PIPELINE, tmp_path)
    ensure_topic(settings)
    write_record(Sink(settings), {"source": "a world", "day": 3})
    assert last_record(settings, {"source": "a world"}) == {"source": "a world", "day": 3}


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
    impatient = wrong.model_copy(update={"serving_feedback_timeout_s": 2.0})
    with pytest.raises(NotReadyError, match="uthentication failed"):
        send(impatient, "never")


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
    told_in_time(as_user(broker, APPLICATION, tmp_path), "uthorization failed", "grants access")


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
