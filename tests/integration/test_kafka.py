"""The shared plumbing against a real broker."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from movie_recommender.errors import NotReadyError
from movie_recommender.kafka import client_config, ensure_topics, partitions, topic_name
from movie_recommender.settings import Settings, load_settings

pytestmark = pytest.mark.integration

UNREACHABLE = "127.0.0.1:1"  # a privileged port that nobody serves: refused at once


def own_topics(settings: Settings) -> dict[str, int]:
    """The topics with this test's prefix, without it."""
    prefix = settings.kafka_topic_prefix
    return {
        name.removeprefix(prefix): count
        for name, count in partitions(settings).items()
        if name.startswith(prefix)
    }


def topic_config(settings: Settings, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic_name(settings, topic))
    admin = AdminClient(client_config(settings))  # named: a dropped client ends its futures
    future = admin.describe_configs([resource])[resource]
    return {name: entry.value for name, entry in future.result(timeout=20).items()}


def wait_for_topics(settings: Settings, expected: dict[str, int]) -> None:
    """Creation is answered by the controller; the broker's own view follows a moment later."""
    deadline = time.monotonic() + 20
    while own_topics(settings) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert own_topics(settings) == expected


def test_topics_are_made_under_the_prefix_with_their_partitions(settings: Settings) -> None:
    assert own_topics(settings) == {}
    ensure_topics(settings, {"users": 3, "simulation_progress": 1})
    wait_for_topics(settings, {"users": 3, "simulation_progress": 1})


def test_a_topic_that_is_there_stays_as_it_is(settings: Settings) -> None:
    ensure_topics(settings, {"users": 3})
    wait_for_topics(settings, {"users": 3})
    ensure_topics(settings, {"users": 5, "movies": 2}, cleanup_policy="compact")
    wait_for_topics(settings, {"users": 3, "movies": 2})
    assert topic_config(settings, "users")["cleanup.policy"] == "delete"


def test_a_topic_gets_the_configuration_that_was_asked_for(settings: Settings) -> None:
    ensure_topics(settings, {"users": 1}, retention_ms="3600000", cleanup_policy="compact")
    wait_for_topics(settings, {"users": 1})
    config = topic_config(settings, "users")
    assert (config["retention.ms"], config["cleanup.policy"]) == ("3600000", "compact")


def test_two_processes_may_make_the_same_topics_at_once(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(ensure_topics, settings, {"users": 3, "movies": 3}) for _ in range(4)]
        for call in calls:
            call.result()
    wait_for_topics(settings, {"users": 3, "movies": 3})


def test_two_deployments_on_one_broker_do_not_see_each_other(settings: Settings) -> None:
    other = settings.model_copy(
        update={"kafka_topic_prefix": f"other-{settings.kafka_topic_prefix}"}
    )
    ensure_topics(settings, {"users": 1})
    ensure_topics(other, {"users": 2})
    wait_for_topics(settings, {"users": 1})
    wait_for_topics(other, {"users": 2})


def test_a_topic_that_the_broker_refuses_is_named_with_its_reason(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="refuses to create topic") as caught:
        ensure_topics(settings, {"users": 1}, cleanup_policy="sometimes")
    message = str(caught.value)
    assert repr(topic_name(settings, "users")) in message
    assert "sometimes" in message
    assert settings.kafka_bootstrap_servers in message
    assert own_topics(settings) == {}


def test_a_broker_that_does_not_answer_is_named_in_time() -> None:
    settings = load_settings(kafka_bootstrap_servers=UNREACHABLE, kafka_timeout_s=1.0)
    begun = time.monotonic()
    with pytest.raises(NotReadyError) as caught:
        ensure_topics(settings, {"users": 1})
    assert time.monotonic() - begun < 5
    message = str(caught.value)
    assert f"KAFKA_BOOTSTRAP_SERVERS={UNREACHABLE}" in message
    assert "within 1 s" in message
    assert "Start the broker or correct the variable" in message


def test_why_a_broker_does_not_answer_is_said() -> None:
    settings = load_settings(
        kafka_bootstrap_servers="no-such-host.invalid:9092", kafka_timeout_s=1.0
    )
    with pytest.raises(NotReadyError, match=r"Failed to resolve 'no-such-host\.invalid:9092'"):
        partitions(settings)


def test_a_plain_broker_that_is_asked_for_tls_says_so(settings: Settings) -> None:
    encrypted = settings.model_copy(
        update={"kafka_security_protocol": "SSL", "kafka_timeout_s": 2.0}
    )
    with pytest.raises(NotReadyError, match=r"(?i)ssl.*KAFKA_SECURITY_PROTOCOL=SSL"):
        partitions(encrypted)


def test_a_broker_that_goes_away_before_the_topics_are_made_is_named_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings(kafka_bootstrap_servers=UNREACHABLE, kafka_timeout_s=1.0)
    monkeypatch.setattr("movie_recommender.kafka.partitions", lambda _: {})
    begun = time.monotonic()
    with pytest.raises(NotReadyError, match=f"KAFKA_BOOTSTRAP_SERVERS={UNREACHABLE}"):
        ensure_topics(settings, {"users": 1})
    assert time.monotonic() - begun < 10
