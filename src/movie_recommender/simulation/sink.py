"""Sending to Kafka: nothing counts as sent before the broker has confirmed it."""

import time

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from movie_recommender import kafka
from movie_recommender.errors import NotReadyError
from movie_recommender.settings import Settings
from movie_recommender.simulation.encode import Messages

_QUEUE_MESSAGES = 100_000
_FLUSH_S, _POLL_S = 1.0, 0.01


class Sink:
    """An idempotent producer that remembers what failed.

    A message keeps the broker's clock as its timestamp, not the event's time: the broker deletes
    by timestamp, and a month of history would be gone at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failed: list[tuple[KafkaError, str | None]] = []
        config = kafka.client_config(
            settings,
            enable_idempotence=True,
            linger_ms=50,
            compression_type="lz4",
            queue_buffering_max_messages=_QUEUE_MESSAGES,
            message_timeout_ms=max(1000, int(settings.kafka_timeout_s * 1000)),
            # A Python call for each of a million successes would cost more than sending them.
            delivery_report_only_error=True,
        )
        callbacks = {"on_delivery": self._report, "error_cb": self._fatal}
        self._producer = Producer({**config, **callbacks})

    def send(self, messages: Messages) -> None:
        """Send `messages` and wait until the broker has confirmed every one.

        Raises:
            NotReadyError: at least one wasn't confirmed within `KAFKA_TIMEOUT_S`.
        """
        self.put(messages)
        self.confirm()

    def put(self, messages: Messages) -> None:
        """Hand `messages` to the client, which sends them on; waits only for room.

        Raises:
            NotReadyError: the client refuses a message.
        """
        topic = kafka.topic_name(self._settings, messages.topic)
        # `produce_batch` wants a dictionary for each message and takes longer.
        produce, poll = self._producer.produce, self._producer.poll
        try:
            for key, value in zip(messages.keys, messages.values, strict=True):
                while True:
                    try:
                        produce(topic, value, key)
                        break
                    except BufferError:
                        # Bounded: what can't be delivered leaves the queue after KAFKA_TIMEOUT_S.
                        poll(_POLL_S)
        except KafkaException as error:
            raise self._not_confirmed(topic, 0, error.args[0]) from error
        poll(0)

    def confirm(self) -> None:
        """Wait until the broker has confirmed every message.

        Raises:
            NotReadyError: at least one wasn't confirmed within `KAFKA_TIMEOUT_S`.
        """
        deadline = time.monotonic() + self._settings.kafka_timeout_s + 5 * _FLUSH_S
        while (left := self._producer.flush(_FLUSH_S)) and time.monotonic() < deadline:
            continue
        if left or self._failed:
            error, topic = self._failed[0] if self._failed else (None, None)
            raise self._not_confirmed(topic, left, error)

    def _not_confirmed(self, topic: str | None, left: int, error: object) -> NotReadyError:
        reason = error.str() if isinstance(error, KafkaError) else str(error or "no answer")
        to = "" if topic is None else f" to topic {topic!r}"
        message = (
            f"Kafka at KAFKA_BOOTSTRAP_SERVERS={self._settings.kafka_bootstrap_servers} didn't "
            f"confirm {len(self._failed) + left or 'some'} messages{to} within "
            f"{self._settings.kafka_timeout_s:g} s ({reason}). See that the broker runs and takes "
            "writes, then run again: the same events are sent with the same ids."
        )
        return NotReadyError(message)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append((error, message.topic()))

    def _fatal(self, error: KafkaError) -> None:
        if error.fatal():
            self._failed.append((error, None))
