"""Whether the broker answers, has the topics, and lets this user read and write them."""

import time
from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]

from movie_recommender import kafka
from movie_recommender.doctor.finding import PATIENCE_S, Case, Finding
from movie_recommender.events import CONTRACTS
from movie_recommender.settings import Settings


def check(case: Case) -> list[Finding]:
    """The broker, its topics, this user's rights.

    Raises:
        MovieRecommenderError: no broker answers, or the client refuses its settings.
    """
    settings = case.hurried
    began = time.perf_counter()
    there = kafka.partitions(settings)
    took_ms = 1000 * (time.perf_counter() - began)
    answers = (
        f"{settings.kafka_bootstrap_servers} answers in {took_ms:.0f} ms, "
        f"{settings.kafka_security_protocol}"
    )
    names = [kafka.topic_name(settings, topic) for topic in CONTRACTS]
    return [
        Finding("kafka", "ok", answers),
        _topics(settings, {name: there[name] for name in names if name in there}, names),
        *_rights(settings, [name for name in names if name in there]),
    ]


def _topics(settings: Settings, there: Mapping[str, int], wanted: list[str]) -> Finding:
    seen = ", ".join(f"{name} has {count}" for name, count in there.items())
    missing = [name for name in wanted if name not in there]
    if not missing:
        return Finding("kafka topics", "ok", f"partitions: {seen}")
    remedy = (
        "Create them, or let the application that sends the events do it; correct "
        "KAFKA_TOPIC_PREFIX if they have other names."
        if settings.data_source == "none"
        else "Nothing, before the first run: it creates them."
    )
    text = f"not on the broker, or hidden from this user: {', '.join(missing)}"
    return Finding("kafka topics", "warn", text, remedy)


def _rights(settings: Settings, topics: list[str]) -> list[Finding]:
    if not topics:
        return []
    needed = {AclOperation.READ}
    if settings.data_source != "none":
        needed.add(AclOperation.WRITE)
    lacking = [
        f"{operation.name} on {topic}"
        for topic, granted in _granted(settings, topics).items()
        for operation in sorted(needed - granted, key=lambda each: str(each.name))
    ]
    if not lacking:
        words = " and ".join(sorted(each.name.lower() for each in needed))
        return [Finding("kafka rights", "ok", f"this user may {words} each topic")]
    remedy = "Grant it: kafka-acls.sh --add --allow-principal User:… --operation … --topic …"
    return [Finding("kafka rights", "fail", f"not granted: {', '.join(lacking)}", remedy)]


def _granted(settings: Settings, topics: list[str]) -> dict[str, set[AclOperation]]:
    """What this user may do with each topic, by the broker's own word."""
    admin = AdminClient(kafka.client_config(settings))
    asked = admin.describe_topics(
        TopicCollection(topics), include_authorized_operations=True, request_timeout=PATIENCE_S
    )
    granted = {}
    for name, answer in asked.items():
        try:
            granted[name] = set(answer.result(timeout=2 * PATIENCE_S).authorized_operations or ())
        except KafkaException:  # it may not even be described
            granted[name] = set()
    return granted
