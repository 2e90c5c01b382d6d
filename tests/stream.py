"""A test's own stream on a real broker: what was sent is remembered, and the lake is held to it."""

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from movie_recommender import events, extract
from movie_recommender import kafka as plumbing
from movie_recommender.extract import ExtractResult
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PARTITIONS = 3

_COMPARED = ["event_id", "user_id", "movie_id", "event_time", "rating", "query"]


def view(event_id: str, **changes: object) -> bytes:
    """A valid event of the topic `interactions`, changed."""
    event = {
        "event_id": event_id,
        "event_type": "view",
        "event_time": "2026-01-31T10:00:00Z",
        "schema_version": 1,
        "user_id": 1,
        "movie_id": 2,
    }
    return json.dumps({**event, **changes}).encode()


@contextmanager
def most_stars(maximum: float) -> Iterator[None]:
    """Have the contract say meanwhile that nobody may give more."""
    fields = [
        dataclasses.replace(field, maximum=maximum) if field.name == "rating" else field
        for field in events.INTERACTIONS.fields
    ]
    other = dataclasses.replace(events.INTERACTIONS, fields=tuple(fields))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(events.CONTRACTS, "interactions", other)  # type: ignore[arg-type]
        yield


@dataclass
class Stream:
    """The topic `interactions` on a real broker, a lake, and what must be in it.

    `events` holds the compared fields of each valid event by id, however often it was sent;
    `letters` the place and the reason of each message that is none.
    """

    settings: Settings
    events: dict[str, tuple[object, ...]] = field(default_factory=dict)
    letters: Counter[tuple[int, int, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.admin = AdminClient(plumbing.client_config(self.settings))
        self._create()

    def _create(self) -> None:
        """The topics, and wait until they are there: the broker confirms a little earlier."""
        plumbing.ensure_topics(self.settings, dict.fromkeys(events.CONTRACTS, PARTITIONS))
        wanted = {plumbing.topic_name(self.settings, topic) for topic in events.CONTRACTS}
        while not wanted <= plumbing.partitions(self.settings).keys():
            time.sleep(0.05)
        self._connect()  # of another topic by the same name, a producer may have numbered messages

    def _connect(self) -> None:
        config = plumbing.client_config(
            self.settings, enable_idempotence=True, linger_ms=5, message_max_bytes=64 << 20
        )
        self._producer = Producer(config)

    @property
    def topic(self) -> str:
        """The broker's name of it."""
        return plumbing.topic_name(self.settings, "interactions")

    @property
    def lake(self) -> Lake:
        """Where it must all be."""
        return Lake(self.settings.data_lake_path)

    def send_events(self, name: str, n: int, partition: int = 0, **changes: object) -> None:
        """Send events NAME-0 to NAME-(n-1), and expect them."""
        self.send((view(f"{name}-{i}", **changes) for i in range(n)), partition)

    def send(
        self, values: Iterable[bytes | None], partition: int = 0, *, reason: str | None = None
    ) -> None:
        """Send valid events, or messages to be rejected for a reason, and expect that."""
        for value in values:
            self.put(value, partition, reason=reason)
        self.flush()

    def put(self, value: bytes | None, partition: int, *, reason: str | None = None) -> None:
        """As `send`, of one message, without waiting for its confirmation."""

        def confirmed(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            if reason is not None:
                self.letters[message.partition(), message.offset(), reason] += 1

        if reason is None:
            self.expect(value or b"")
        self._producer.produce(self.topic, value, b"k", partition, on_delivery=confirmed)

    def expect(self, value: bytes) -> None:
        """Have this event's row be among what must be in the lake."""
        event = json.loads(value)
        self.events[event["event_id"]] = tuple(event.get(name) for name in _COMPARED[1:])

    def lose(self, ids: Iterable[str]) -> None:
        """Have these events not be among it any more."""
        for event_id in list(ids):
            del self.events[event_id]

    def flush(self) -> None:
        """Wait until everything is confirmed."""
        assert self._producer.flush(120) == 0

    def add_partitions(self, total: int) -> None:
        """Raise the topic's number of partitions."""
        self.admin.create_partitions([NewPartitions(self.topic, total)])[self.topic].result(20)
        while plumbing.partitions(self.settings)[self.topic] < total:
            time.sleep(0.05)
        self._connect()  # a producer looks for new partitions every five minutes

    def delete_before(self, offset: int) -> None:
        """Delete the first partition's messages before `offset`, as retention does."""
        place = TopicPartition(self.topic, 0, offset)
        self.admin.delete_records([place])[place].result(20)

    def delete(self) -> None:
        """Delete the topic, and wait until it is gone."""
        self.admin.delete_topics([self.topic])[self.topic].result(20)
        while self.topic in plumbing.partitions(self.settings):
            time.sleep(0.1)

    def recreate(self) -> None:
        """Delete the topic and create it anew."""
        self.delete()
        self._create()

    def extract(self, **options: bool) -> ExtractResult:
        """Extract what Kafka holds."""
        return extract.run(self.settings, now=NOW, **options)

    def landed(self) -> list[str]:
        """Event ids of the lake's rows."""
        found = self.lake.dataset("interactions").to_table(columns=["event_id"])
        return [str(event_id) for event_id in found["event_id"].to_pylist()]

    def check(self) -> None:
        """Each valid event is in the lake once, each invalid message a dead letter once."""
        assert Counter(self.landed()) == Counter(self.events.keys())
        rows = self.lake.dataset("interactions").to_table(columns=_COMPARED).to_pylist()
        for row in rows:
            row["event_time"] = f"{row['event_time']:%Y-%m-%dT%H:%M:%SZ}"
        assert {row.pop("event_id"): tuple(row.values()) for row in rows} == self.events
        places = ["kafka_partition", "kafka_offset", "reason"]
        letters = self.lake.dataset("dead_letters").to_table(columns=places).to_pylist()
        assert Counter(tuple(letter.values()) for letter in letters) == self.letters
