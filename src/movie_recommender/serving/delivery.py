"""Events to Kafka, each confirmed by the broker before anybody is told that it arrived."""

import asyncio
import logging
import threading
import time
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from movie_recommender import kafka
from movie_recommender.errors import NotReadyError
from movie_recommender.events import INTERACTIONS
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

QUEUE_MESSAGES = 10_000
_UNKNOWN = "not asked yet"
_POLL_S = 0.2
_PROBE_S = 5.0
_PAUSE_S = 1.0


class Delivery:
    """An idempotent producer to the topic `interactions`; safe for several threads.

    Args:
        settings: the broker, the topic's prefix, and how long a confirmation may take.
    """

    def __init__(self, settings: Settings) -> None:
        self.gone: str | None = _UNKNOWN
        """Why the broker can't be reached; None: it can."""
        self._timeout_s = settings.serving_feedback_timeout_s
        self._servers = settings.kafka_bootstrap_servers
        self._topic = kafka.topic_name(settings, INTERACTIONS.topic)
        config = kafka.client_config(
            settings,
            enable_idempotence=True,
            queue_buffering_max_messages=QUEUE_MESSAGES,
            message_timeout_ms=int(self._timeout_s * 1000),
        )
        self._config = {**config, "error_cb": self._note}
        self._producer = Producer(self._config)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="delivery", daemon=True)
        self._thread.start()

    async def send(self, key: bytes, value: bytes) -> None:
        """Return once the broker has the message.

        Raises:
            NotReadyError: it wasn't confirmed in time. It may have arrived all the same: sent
                again with the same event id it counts once.
        """
        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[None] = loop.create_future()

        def report(error: KafkaError | None, _: Message) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(_settle, confirmed, error)

        try:
            self._producer.produce(self._topic, value, key, on_delivery=report)
            await asyncio.wait_for(confirmed, self._timeout_s + 2 * _POLL_S)
        except (KafkaException, BufferError, TimeoutError) as error:
            raise self._not_delivered(error) from error

    def close(self) -> None:
        """Wait a moment for what is under way, and end."""
        with suppress(KafkaException):  # it may have ended by itself
            self._producer.flush(self._timeout_s)
        self._stop.set()
        self._thread.join()

    def _not_delivered(self, error: Exception) -> NotReadyError:
        reason = error.args[0] if error.args else "no confirmation in time"
        text = reason.str() if isinstance(reason, KafkaError) else str(reason)
        if self.gone not in (None, _UNKNOWN, text):  # a time-out doesn't say why
            text = f"{text}; {self.gone}"
        return NotReadyError(
            f"Kafka at KAFKA_BOOTSTRAP_SERVERS={self._servers} didn't confirm the event within "
            f"{self._timeout_s:g} s ({text}). Start the broker or correct the variable."
        )

    def _serve(self) -> None:
        """Hands over confirmations, and asks now and then whether the broker is there."""
        due = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= due:
                self._probe()
                due = time.monotonic() + _PROBE_S
            try:
                self._producer.poll(_POLL_S)
            except KafkaException as error:
                self._begin_anew(_text(error))
                due = time.monotonic() + _PROBE_S  # until then it isn't known to be well

    def _begin_anew(self, reason: str) -> None:
        """After a fatal error, as where this user lost the right to write: it never sends again."""
        self.gone = reason
        logger.warning("the Kafka producer has ended: %s; another one is made", reason)
        self._stop.wait(_PAUSE_S)
        self._producer = Producer(self._config)

    def _probe(self) -> None:
        try:
            found: Any = self._producer.list_topics(self._topic, timeout=1.0).topics[self._topic]
        except KafkaException as error:
            self.gone = self.gone if self.gone not in (None, _UNKNOWN) else _text(error)
            return
        self.gone = None if found.error is None else found.error.str()

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # says only that, not why
            self.gone = error.str()


def _settle(confirmed: "asyncio.Future[None]", error: KafkaError | None) -> None:
    if confirmed.done():  # nobody waits any more
        return
    if error is None:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(KafkaException(error))


def _text(error: KafkaException) -> str:
    return str(error.args[0].str())
