"""What was shown goes to Kafka, too: a list that nobody answered is something to learn from.

An answer waits for none of it. It lies in a bounded queue, a thread makes events of it, and what
finds no room is counted.
"""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from movie_recommender import kafka
from movie_recommender.events import INTERACTIONS, SCHEMA_VERSION
from movie_recommender.serving.metrics import IMPRESSIONS
from movie_recommender.settings import Settings

MAX_LISTS = 5_000
"""Lists that wait; some 500 bytes each."""
QUEUE_MESSAGES = 10_000
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Shown:
    """A list that was shown.

    Attributes:
        impression_id: by which feedback can name it.
        user_id: to whom.
        movie_ids: (n), best first.
        version: of the model.
        reason: why it was this list.
        at: when.
    """

    impression_id: str
    user_id: int
    movie_ids: list[int]
    version: int
    reason: str
    at: datetime

    def events(self) -> list[bytes]:
        """An impression for each movie, as `events.INTERACTIONS` has it, and whose list it was."""
        common = {
            "event_type": "impression",
            "event_time": self.at.astimezone(UTC).isoformat(),
            "schema_version": SCHEMA_VERSION,
            "user_id": self.user_id,
            "impression_id": self.impression_id,
            "model_version": self.version,
            "reason": self.reason,
        }
        # What the list has in common is encoded once; the rest is numbers and the list's own id.
        head = orjson.dumps(common)[:-1] + b',"event_id":"' + self.impression_id.encode()
        return [
            b'%b-%d","movie_id":%d,"position":%d}' % (head, position, movie_id, position)
            for position, movie_id in enumerate(self.movie_ids)
        ]


class Impressions:
    """A producer to the topic `interactions` that nobody waits for.

    Args:
        settings: the broker and the topic's prefix.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = kafka.topic_name(settings, INTERACTIONS.topic)
        self._waiting: deque[Shown] = deque()
        config = kafka.client_config(
            settings,
            enable_idempotence=True,
            linger_ms=200,
            compression_type="lz4",
            queue_buffering_max_messages=QUEUE_MESSAGES,
            # A Python call for each of ten successes a list would cost more than sending them.
            delivery_report_only_error=True,
        )
        self._producer = Producer({**config, "on_delivery": self._report})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="impressions", daemon=True)
        self._thread.start()

    def put(self, shown: Shown) -> None:
        """Have a list sent some time soon; dropped and counted where too many wait."""
        if len(self._waiting) < MAX_LISTS:
            self._waiting.append(shown)
        else:
            IMPRESSIONS.labels("dropped").inc(len(shown.movie_ids))

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Send what waits, as far as there is time."""
        self._stop.set()
        self._thread.join()
        self._send()
        self._producer.flush(timeout_s)

    def _serve(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            self._send()
            self._producer.poll(0)

    def _send(self) -> None:
        while self._waiting:
            shown = self._waiting.popleft()
            key, events = str(shown.user_id).encode(), shown.events()
            n_handed_on = 0
            try:
                for event in events:
                    self._producer.produce(self._topic, event, key)
                    n_handed_on += 1
            except (BufferError, KafkaException):
                IMPRESSIONS.labels("dropped").inc(len(events) - n_handed_on)
                self._producer.poll(0)
            IMPRESSIONS.labels("handed on").inc(n_handed_on)

    def _report(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            IMPRESSIONS.labels("failed").inc()
