"""Shared Kafka plumbing: client configuration, topics, and a broker check with a clear error."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.settings import Settings

_GRACE_S = 5.0  # librdkafka ends a request by itself; this is for when it doesn't
_LOOK_S = 1.0
"""How long a wrong password goes unnoticed: librdkafka tries it again until the time is over."""


_REMEDIES = {
    KafkaError._AUTHENTICATION: "Correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    KafkaError._SSL: "Correct KAFKA_SSL_CA_LOCATION or KAFKA_SECURITY_PROTOCOL",
}


def client_config(settings: Settings, **extra: Any) -> dict[str, Any]:
    """Configuration for any client of librdkafka: brokers, security, bounded waits.

    Args:
        settings: the process's settings.
        extra: further librdkafka properties, `_` in a name standing for `.`.
    """
    optional = {
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": _secret(settings.kafka_sasl_password),
        "ssl.ca.location": settings.kafka_ssl_ca_location,
        "ssl.certificate.location": settings.kafka_ssl_certificate_location,
        "ssl.key.location": settings.kafka_ssl_key_location,
        "ssl.key.password": _secret(settings.kafka_ssl_key_password),
    }
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        # librdkafka logs each failed connection to stderr; our errors say it once, with a remedy.
        "log_level": 0,
    }
    config.update({name: str(value) for name, value in optional.items() if value is not None})
    config.update({name.replace("_", "."): value for name, value in extra.items()})
    return config


def _secret(value: object) -> str | None:
    reveal = getattr(value, "get_secret_value", None)
    return None if reveal is None else reveal()


def topic_name(settings: Settings, topic: str) -> str:
    """The broker's name of `topic` (`users`, `movies`, …)."""
    return f"{settings.kafka_topic_prefix}{topic}"


def partitions(settings: Settings) -> Mapping[str, int]:
    """Number of partitions of every topic on the broker, by the broker's topic name.

    Raises:
        NotReadyError: no broker answers within `KAFKA_TIMEOUT_S`, or it refuses the user at once.
        ConfigurationError: the client refuses the security settings.
    """
    reasons: list[KafkaError] = []
    admin = _admin(settings, reasons)
    deadline = time.monotonic() + settings.kafka_timeout_s
    look_s = _LOOK_S
    while True:
        try:
            left = max(0.1, deadline - time.monotonic())
            metadata = admin.list_topics(timeout=min(look_s, left))
        except KafkaException as error:
            admin.poll(0)  # hands over what librdkafka has noticed
            if time.monotonic() > deadline or any(map(_is_refusal, reasons)):
                raise _no_answer(settings, [*reasons, error.args[0]]) from error
            look_s *= 2  # a slow broker must get to answer one of them
        else:
            return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def topic_id(settings: Settings, name: str) -> str:
    """The id that the broker gave the topic when it was created; another one, another topic.

    Args:
        settings: the process's settings.
        name: the broker's name of the topic.

    Raises:
        NotReadyError: no broker answers in time, or the topic is gone or hidden.
        ConfigurationError: the client refuses the security settings.
    """
    found = find_topic_id(settings, name)
    if found is None:
        raise _unreadable(settings, name, "it was deleted")
    return found


def find_topic_id(settings: Settings, name: str) -> str | None:
    """As `topic_id`; None where there is no such topic.

    A broker with access control leaves out of its list what a user may not see. Asked for by its
    name, a topic that isn't there is told from one that is hidden.
    """
    reasons: list[KafkaError] = []
    admin = _admin(settings, reasons)
    asked = admin.describe_topics(
        TopicCollection([name]), request_timeout=settings.kafka_timeout_s
    )[name]
    try:
        return str(asked.result(timeout=settings.kafka_timeout_s + _GRACE_S).topic_id)
    except TimeoutError as error:
        raise _no_answer(settings, reasons) from error
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise _unreadable(settings, name, "this user may not see it") from error
        raise _no_answer(settings, [*reasons, error.args[0]]) from error


def _unreadable(settings: Settings, name: str, reason: str) -> NotReadyError:
    user = settings.kafka_sasl_username
    return NotReadyError(
        f"Can't read Kafka topic {name!r} at "
        f"KAFKA_BOOTSTRAP_SERVERS={settings.kafka_bootstrap_servers}"
        f"{f' as KAFKA_SASL_USERNAME={user}' if user else ''}: {reason}. "
        "Create it or grant access (docs/security.md), then run again."
    )


def _admin(settings: Settings, reasons: list[KafkaError]) -> AdminClient:
    """A client that adds to `reasons` why it can't reach a broker."""

    def note(error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # says only that, not why
            reasons.append(error)

    config: dict[str, Any] = {**client_config(settings), "error_cb": note}
    try:
        return AdminClient(config)
    except KafkaException as error:
        message = (
            "The Kafka client refuses its settings, with KAFKA_SECURITY_PROTOCOL="
            f"{settings.kafka_security_protocol}: {error.args[0].str()}. "
            "Correct the KAFKA_SASL_… or KAFKA_SSL_… variable that this names, then run again."
        )
        raise ConfigurationError(message) from error


def _is_refusal(error: KafkaError) -> bool:
    return error.code() in _REMEDIES


def _no_answer(settings: Settings, reasons: Sequence[KafkaError]) -> NotReadyError:
    # A refusal is the cause, else the first reason; the others are its echoes.
    cause = next(filter(_is_refusal, reasons), next(iter(reasons), None))
    broker = f"KAFKA_BOOTSTRAP_SERVERS={settings.kafka_bootstrap_servers}"
    why = (
        f"({'no answer' if cause is None else cause.str()}; "
        f"KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol})"
    )
    if cause is not None and _is_refusal(cause):
        remedy = _REMEDIES[cause.code()]
        return NotReadyError(
            f"The Kafka broker at {broker} and this client don't trust each other {why}. "
            f"{remedy}, then run again."
        )
    return NotReadyError(
        f"No Kafka broker answers at {broker} within {settings.kafka_timeout_s:g} s {why}. "
        "Start the broker or correct the variable, then run again."
    )


def ensure_topics(settings: Settings, topics: Mapping[str, int], **config: str) -> None:
    """Create the topics that aren't there; those that are stay as they are.

    Args:
        settings: the process's settings.
        topics: number of partitions by topic, without prefix.
        config: topic configuration, `_` in a name standing for `.`.

    Raises:
        NotReadyError: no broker answers, or it refuses to create a topic.
        ConfigurationError: the client refuses the security settings.
    """
    existing = partitions(settings)
    properties = {name.replace("_", "."): value for name, value in config.items()}
    missing = [
        NewTopic(topic_name(settings, topic), num_partitions=count, config=properties)
        for topic, count in topics.items()
        if topic_name(settings, topic) not in existing
    ]
    if not missing:
        return
    reasons: list[KafkaError] = []
    admin = _admin(settings, reasons)
    requests = admin.create_topics(missing, request_timeout=settings.kafka_timeout_s)
    for name, future in requests.items():
        try:
            future.result(timeout=settings.kafka_timeout_s + _GRACE_S)
        except TimeoutError as error:
            raise _no_answer(settings, reasons) from error
        except KafkaException as error:
            code, reason = error.args[0].code(), error.args[0].str()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            if code == KafkaError._TIMED_OUT:
                raise _no_answer(settings, [*reasons, error.args[0]]) from error
            message = (
                f"The broker at {settings.kafka_bootstrap_servers} refuses to create topic "
                f"{name!r}: {reason}. Create it by hand or grant the right, then run again."
            )
            raise NotReadyError(message) from error
