"""What messages can do to an extraction, and how that ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from movie_recommender import extract
from movie_recommender import kafka as plumbing
from tests.steps import weigh
from tests.stream import NOW, Stream, view

pytestmark = pytest.mark.integration

LARGE_BYTES = 50_000_000
TOPIC, BROKER = ConfigResource.Type.TOPIC, ConfigResource.Type.BROKER


def configure(stream: Stream, resource: ConfigResource.Type, name: str, **config: str) -> None:
    """Change what the broker does, `_` in a name standing for `.`."""
    entries = [
        ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    wanted = ConfigResource(resource, name, incremental_configs=entries)
    stream.admin.incremental_alter_configs([wanted])[wanted].result(20)


def producer(stream: Stream, **config: object) -> Producer:
    return Producer(plumbing.client_config(stream.settings, **config))


def first_offset(stream: Stream, at_least: int) -> int:
    """Of the first partition's messages that the broker still has."""
    consumer = Consumer(plumbing.client_config(stream.settings, group_id="unused"))
    consumer.assign([TopicPartition(stream.topic, 0, at_least)])
    found = consumer.consume(1, timeout=20)[0].offset()
    consumer.close()
    assert found is not None
    return found


@contextmanager
def transaction(stream: Stream, name: str, *, commit: bool = True) -> Iterator[None]:
    """Two messages are sent in a transaction that ends with the block."""
    sender = producer(stream, transactional_id=stream.settings.kafka_topic_prefix + name)
    sender.init_transactions(30)
    sender.begin_transaction()
    for number in range(2):
        value = view(f"{name}-{number}")
        sender.produce(stream.topic, value, b"k", 0)
        if commit:
            stream.expect(value)
    assert sender.flush(30) == 0
    yield
    (sender.commit_transaction if commit else sender.abort_transaction)(30)


def test_a_message_of_50_mb_is_a_dead_letter_and_memory_stays_bounded(stream: Stream) -> None:
    configure(stream, TOPIC, stream.topic, max_message_bytes=str(LARGE_BYTES + 1000))
    stream.send_events("before", 5)
    stream.send([b"x" * LARGE_BYTES], reason="too_large")
    stream.send_events("after", 5)
    result, peak_bytes = weigh(partial(extract.run, stream.settings, now=NOW))
    assert (result.messages, result.reasons) == (11, {"too_large": 1})
    assert peak_bytes < 1 << 30
    files = Path(stream.settings.data_lake_path, "dead_letters").rglob("*.parquet")
    assert sum(file.stat().st_size for file in files) < 1.1 * LARGE_BYTES
    stream.check()
    assert stream.lake.dataset("dead_letters").to_table()["value"][0].as_py() == b"x" * LARGE_BYTES
    assert stream.extract().messages == 0


def test_a_message_that_is_large_only_when_unpacked_stops_nobody(stream: Stream) -> None:
    stream.send_events("before", 5)
    sender = producer(stream, compression_type="zstd", message_max_bytes=2 * LARGE_BYTES)
    sender.produce(stream.topic, b"x" * (2 * LARGE_BYTES - 1000), b"k", 0)
    assert sender.flush(60) == 0
    stream.letters[0, 5, "too_large"] += 1
    stream.send_events("after", 5)
    weigh(partial(extract.run, stream.settings, now=NOW))
    stream.check()


def test_days_without_a_message_change_nothing(stream: Stream) -> None:
    empty = stream.extract()
    assert (empty.messages, empty.gaps, empty.lake_versions) == (0, [], {})
    stream.send_events("a", 5)
    stream.send([b"{"], reason="invalid_json")
    before = stream.extract()
    empty = stream.extract()
    assert (empty.messages, empty.rows["interactions"], empty.lag) == (0, 0, 0)
    assert (empty.lake_versions, empty.totals) == (before.lake_versions, before.totals)
    stream.check()


def test_aborted_transactions_are_not_events(stream: Stream) -> None:
    with transaction(stream, "kept"):
        pass
    with transaction(stream, "aborted", commit=False):
        pass
    result = stream.extract()
    assert result.messages == 2
    stream.check()
    assert stream.extract().lake_versions == result.lake_versions


def test_an_open_transaction_holds_up_what_comes_after_it(stream: Stream) -> None:
    stream.send_events("before", 5)
    with transaction(stream, "long"), transaction(stream, "aborted", commit=False):
        stream.send_events("behind", 5)
        stream.send([None], reason="null_value")
        result = stream.extract()
        assert (result.messages, result.lag) == (5, 0)
        assert stream.extract().lake_versions == result.lake_versions
    result = stream.extract()
    assert (result.messages, result.rows["interactions"], result.lag) == (8, 7, 0)
    stream.check()
    assert stream.extract().lake_versions == result.lake_versions


def test_keys_headers_and_compression_make_no_difference(stream: Stream) -> None:
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        sender = producer(stream, compression_type=codec, linger_ms=50)
        values = [view(f"{codec}-{number}", query="q" * 300) for number in range(20)]
        for value in values:
            stream.expect(value)
            sender.produce(stream.topic, value, None, 1, headers=[("trace", b"1"), ("", None)])
        sender.produce(stream.topic, b"{", None, 1, headers=[("trace", b"\xff")])
        assert sender.flush(30) == 0
    stream.letters.update((1, 20 + 21 * number, "invalid_json") for number in range(5))
    stream.extract()
    stream.check()
    assert stream.lake.dataset("dead_letters").to_table()["key"].to_pylist() == [None] * 5


def test_what_compaction_removed_is_a_hole_that_is_passed(stream: Stream) -> None:
    configure(stream, BROKER, "1", log_cleaner_backoff_ms="50")
    stream.send_events("first", 5)
    stream.extract()
    # All have the same key: of what lies before the last segment, the newest stays.
    configure(
        stream,
        TOPIC,
        stream.topic,
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0",
    )
    stream.send_events("compacted", 20)
    time.sleep(0.3)
    stream.send_events("last", 1)
    deadline = time.monotonic() + 60
    while first_offset(stream, at_least=5) == 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    result = stream.extract()
    assert (result.messages, result.gaps, result.lag) == (2, [], 0)
    stream.lose(f"compacted-{number}" for number in range(19))
    stream.check()
    assert stream.extract().messages == 0
