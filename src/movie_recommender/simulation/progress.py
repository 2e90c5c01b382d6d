"""How far each world has been sent: records in the Kafka topic `simulation_progress`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from movie_recommender import kafka
from movie_recommender.errors import InputDataError, NotReadyError
from movie_recommender.settings import Settings
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.sink import Sink

TOPIC = "simulation_progress"

Record = Mapping[str, Any]


def last_record(settings: Settings, scope: Record) -> Record | None:
    """The newest record that has all fields of `scope` with the same values, if there is one.

    Raises:
        NotReadyError: the broker doesn't answer.
        InputDataError: the topic holds something that isn't a record.
    """
    found = None
    for record in _records(settings):
        if all(record.get(name) == value for name, value in scope.items()):
            found = record
    return found


def write_record(sink: Sink, record: Record) -> None:
    """Append `record` to the topic, which must exist; it is on the broker when this returns."""
    sink.send(Messages(TOPIC, [str(record["source"]).encode()], [json.dumps(record).encode()]))


def ensure_topic(settings: Settings) -> None:
    """Create the topic if it isn't there; its records are kept for ever."""
    kafka.ensure_topics(settings, {TOPIC: 1}, retention_ms="-1", cleanup_policy="delete")


def _records(settings: Settings) -> Iterator[Record]:
    topic = kafka.topic_name(settings, TOPIC)
    if topic not in kafka.partitions(settings):
        return
    config = kafka.client_config(
        settings, group_id=topic, enable_auto_commit=False, enable_partition_eof=False
    )
    consumer = Consumer(config)
    try:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, 0), timeout=settings.kafka_timeout_s
        )
        consumer.assign([TopicPartition(topic, 0, low)])
        while low < high:
            messages = consumer.consume(min(high - low, 1000), timeout=settings.kafka_timeout_s)
            if not messages or any(message.error() for message in messages):
                raise _unreadable(settings, topic, low, high)
            yield from (_parsed(topic, message) for message in messages)
            # Nothing deletes single records here, so offsets have no holes.
            low += len(messages)
    except KafkaException as error:
        message = (
            f"Can't read topic {topic!r} at {settings.kafka_bootstrap_servers}: "
            f"{error.args[0].str()}. See that the broker runs, then run again."
        )
        raise NotReadyError(message) from error
    finally:
        consumer.close()


def _parsed(topic: str, message: Message) -> Record:
    value = message.value()
    try:
        record = json.loads(value or b"")
    except ValueError:
        record = None
    if not isinstance(record, dict):
        text = (
            f"Topic {topic!r}, partition 0, offset {message.offset()}: {value!r} isn't a JSON "
            "object, so how far the simulation has come is unknown. Delete the topic, then run "
            "again: events sent before are sent once more with the same ids, and extraction keeps "
            "one of each."
        )
        raise InputDataError(text)
    return record


def _unreadable(settings: Settings, topic: str, low: int, high: int) -> NotReadyError:
    return NotReadyError(
        f"Topic {topic!r} at {settings.kafka_bootstrap_servers} gave nothing at offset {low} of "
        f"{high} within {settings.kafka_timeout_s:g} s. See that the broker runs, then run again."
    )
