"""Kafka's side: what a topic holds, and its messages in bounded batches.

Reads by assignment, not as a consumer group: the lake's commits are the only memory of how far the
extraction is.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from movie_recommender.errors import NotReadyError, OffsetGapError
from movie_recommender.extract.divide import divide
from movie_recommender.extract.plan import Plan, Watermarks
from movie_recommender.extract.validate import MESSAGES
from movie_recommender.kafka import client_config, topic_id
from movie_recommender.settings import Settings

MAX_BATCH_MESSAGES = 25_000
MAX_BATCH_BYTES = 8 << 20
"""A batch ends at the first of these bounds; one call's messages may come on top."""

_QUEUE_KBYTES = 16 << 10
_MOST_BYTES = 2**31 - 1

_MESSAGES_PER_CALL = 500
_POLL_S = 0.2

# librdkafka reports these while it goes on trying by itself; the time limit decides.
_PASSING = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
}
_OFFSET_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}

_NO_LEADER_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
}

# confluent-kafka types every attribute of a message as optional; of what `consume` returns only
# key and value are.
Message = Any
_PARTITION: Any = confluent_kafka.Message.partition
_OFFSET: Any = confluent_kafka.Message.offset
_KEY: Any = confluent_kafka.Message.key
_VALUE: Any = confluent_kafka.Message.value
_ERROR: Any = confluent_kafka.Message.error


@dataclass(frozen=True)
class Batch:
    """Messages (columns of `MESSAGES`) and the next offset of every partition after them."""

    messages: pa.Table
    positions: Mapping[int, int]


@dataclass
class _Buffer:
    parts: list[pa.Table] = field(default_factory=list)
    n_messages: int = 0
    n_bytes: int = 0

    def add(self, messages: Sequence[Message]) -> dict[int, int]:
        """Take in what Kafka gave; the next offset of each partition that is among it."""
        # A million of them: mapping the methods takes half the time of a comprehension, and
        # Python's objects, gone after each call, are taken from memory that is still in the cache.
        partitions = list(map(_PARTITION, messages))
        offsets = list(map(_OFFSET, messages))
        keys, values = list(map(_KEY, messages)), list(map(_VALUE, messages))
        self.parts.append(pa.table([partitions, offsets, keys, values], schema=MESSAGES))
        self.n_messages += len(messages)
        self.n_bytes += self.parts[-1]["value"].nbytes
        return {p: last + 1 for p, last in dict(zip(partitions, offsets, strict=True)).items()}

    @property
    def room(self) -> int:
        """How many more messages to ask for, none when full."""
        n = self.n_messages
        if n >= MAX_BATCH_MESSAGES or self.n_bytes >= MAX_BATCH_BYTES:
            return 0
        mean = max(1, self.n_bytes // max(1, n))
        return min(
            _MESSAGES_PER_CALL,
            MAX_BATCH_MESSAGES - n,
            max(1, (MAX_BATCH_BYTES - self.n_bytes) // mean),
        )

    def table(self, ends: Mapping[int, int]) -> pa.Table:
        """The messages before `ends`; those sent during the run wait for the next one."""
        table = pa.concat_tables(self.parts).combine_chunks()
        limits = np.zeros(max(ends) + 1, dtype=np.int64)
        limits[list(ends)] = list(ends.values())
        wanted = table["kafka_offset"].to_numpy() < limits[table["kafka_partition"].to_numpy()]
        return divide(table, pa.array(wanted))[0]


class Source:
    """A Kafka consumer for extraction; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = Consumer(
            client_config(
                settings,
                group_id="movie-recommender-extract",
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                enable_partition_eof=True,
                isolation_level="read_committed",
                auto_offset_reset="error",
                queued_max_messages_kbytes=_QUEUE_KBYTES,
                # Also what a batch may unpack to: beyond it nobody could ever get past the batch.
                receive_message_max_bytes=_MOST_BYTES,
                # The default of a second is what a full queue would wait while we write a batch.
                fetch_queue_backoff_ms=10,
            )
        )

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def watermarks(self, kafka_topic: str, n_partitions: int) -> dict[int, Watermarks]:
        """What the broker holds of each partition now.

        Raises:
            NotReadyError: the broker doesn't answer within `KAFKA_TIMEOUT_S`.
        """
        deadline = time.monotonic() + self._settings.kafka_timeout_s
        return {p: self._marks(kafka_topic, p, deadline) for p in range(n_partitions)}

    def _marks(self, kafka_topic: str, partition: int, deadline: float) -> Watermarks:
        while True:
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(kafka_topic, partition),
                    timeout=max(_POLL_S, deadline - time.monotonic()),
                    cached=False,
                )
            except KafkaException as error:
                # A topic just created has no leader for a moment.
                if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                    raise self._not_ready(kafka_topic, error.args[0].str()) from error
                time.sleep(_POLL_S)
            else:
                return Watermarks(low, high)

    def require_same(self, kafka_topic: str, kafka_id: str) -> None:
        """Nothing, where the topic still has this id.

        Raises:
            NotReadyError: the broker doesn't answer in time, or the topic is gone.
            OffsetGapError: the topic was deleted and created again.
        """
        if topic_id(self._settings, kafka_topic) != kafka_id:
            text = (
                f"{kafka_topic} was deleted and created again while it was being read. What was "
                "committed stays. Run again to see what is lost."
            )
            raise OffsetGapError(text)

    def batches(self, kafka_topic: str, plan: Plan) -> Iterator[Batch]:
        """The messages from `plan.starts` to `plan.ends`, each partition in order.

        Every batch moves at least one partition on, if only past a transaction's markers.

        Raises:
            NotReadyError: nothing comes for `KAFKA_TIMEOUT_S`, or the broker refuses.
            OffsetGapError: the broker deleted messages while they were being read.
        """
        positions = dict(plan.starts)
        unread = {p for p, start in plan.starts.items() if start < plan.ends[p]}
        self._consumer.assign([TopicPartition(kafka_topic, p, positions[p]) for p in unread])
        while unread:
            buffer = _Buffer()
            while unread and buffer.room:
                events, at_end = self._next(kafka_topic, buffer.room)
                reached = buffer.add(events)
                for partition, offset in (reached | at_end).items():
                    positions[partition] = min(offset, plan.ends[partition])
                finished = {p for p in unread if p in at_end or positions[p] == plan.ends[p]}
                # What is sent during the run is for the next one; don't fetch it.
                self._consumer.pause([TopicPartition(kafka_topic, p) for p in finished])
                unread -= finished
            yield Batch(buffer.table(plan.ends), dict(positions))
        self._consumer.unassign()

    def _next(self, kafka_topic: str, n: int) -> tuple[list[Message], dict[int, int]]:
        """About `n` messages, and the offset of each partition's end that was reached; waits."""
        deadline = time.monotonic() + self._settings.kafka_timeout_s
        while time.monotonic() < deadline:
            found: list[Message] = list(self._consumer.consume(n, timeout=_POLL_S))
            ends: dict[int, int] = {}
            if any(map(_ERROR, found)):
                told = [message for message in found if message.error() is not None]
                found = [message for message in found if message.error() is None]
                ends = {m.partition(): m.offset() for m in told if self._is_end(kafka_topic, m)}
            if found or ends:
                return found, ends
        raise self._not_ready(kafka_topic, f"no answer for {self._settings.kafka_timeout_s:g} s")

    def _is_end(self, kafka_topic: str, message: Message) -> bool:
        """Whether an event of the client is a partition's end; raises what isn't passing."""
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        if error.code() in _OFFSET_GONE:
            text = (
                f"{kafka_topic}[{message.partition()}]: messages were deleted while they were "
                f"being read ({error.str()}). Run again to see the exact range that is lost."
            )
            raise OffsetGapError(text)
        if error.code() in _PASSING:
            return False
        raise self._not_ready(kafka_topic, error.str())

    def _not_ready(self, kafka_topic: str, reason: str) -> NotReadyError:
        return NotReadyError(
            f"Can't read Kafka topic {kafka_topic!r} at "
            f"KAFKA_BOOTSTRAP_SERVERS={self._settings.kafka_bootstrap_servers}: {reason}. "
            "What was committed stays. See that the broker runs and grants access, then run again."
        )
