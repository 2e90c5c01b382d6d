"""Extraction and its broker are killed at any moment; the lake must equal the truth, row for row.

`make test` kills a few times, `make test-faults` 200 and 20 times.
"""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer

from movie_recommender import events, extract
from movie_recommender import kafka as plumbing
from movie_recommender.errors import MovieRecommenderError
from movie_recommender.extract import source, topic
from movie_recommender.lake import Lake
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.settings import Settings, load_settings

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PARTITIONS = 3
LONGEST_S = 1.2
"""Longer than an extraction of one round takes, so that kills fall into all of it."""

Row = tuple[int, int, str, float | None, str | None]

INVALID: list[tuple[bytes | None, str]] = [
    (b"{", "invalid_json"),
    (b"", "invalid_json"),
    (b"\xff\xfe", "invalid_utf8"),
    (None, "null_value"),
    (b"[1, 2]", "not_an_object"),
    (b"[" * 5000, "invalid_json"),
    (b'{"event_id": "x"}', "missing_field"),
    (b"x" * 900_000, "invalid_json"),
]


def _broken(row: bytes, rng: random.Random) -> tuple[bytes | None, str]:
    """A message that is not an event, and the reason that extraction must give."""
    changes: list[tuple[dict[str, object], str]] = [
        ({"user_id": "7"}, "wrong_type"),
        ({"user_id": 2**70}, "wrong_type"),
        ({"user_id": -1}, "out_of_range"),
        ({"event_type": "purchase"}, "unknown_event_type"),
        ({"schema_version": 9}, "unsupported_schema_version"),
        ({"event_time": "2026-03-01T00:00:00Z"}, "event_time_in_future"),
        ({"event_time": "now"}, "wrong_type"),
        ({"rating": float("nan")}, "invalid_json"),
        ({"rating": 1e300}, "out_of_range"),
        ({"query": "q" * 501}, "out_of_range"),
    ]
    if rng.random() < 0.4:
        return rng.choice(INVALID)
    change, reason = rng.choice(changes)
    return json.dumps({**json.loads(row), **change}).encode(), reason


@dataclass
class Truth:
    """What was sent and confirmed, and so what must be in the lake."""

    settings: Settings
    rng: random.Random
    rows: dict[str, Row] = field(default_factory=dict)
    values: list[bytes] = field(default_factory=list)
    invalid: Counter[tuple[int, int, str]] = field(default_factory=Counter)
    duplicates: int = 0

    def send(self, n: int) -> None:
        """Send `n` messages, a tenth duplicates, a tenth invalid; wait until all are confirmed."""
        producer = Producer(
            plumbing.client_config(
                self.settings, enable_idempotence=True, message_timeout_ms=120_000, linger_ms=5
            )
        )
        name = plumbing.topic_name(self.settings, "interactions")
        for _ in range(n):
            value, reason = self._message()

            def confirmed(
                error: KafkaError | None, message: Message, reason: str | None = reason
            ) -> None:
                assert error is None, error
                if reason is not None:
                    self.invalid[message.partition(), message.offset(), reason] += 1

            partition = self.rng.randrange(PARTITIONS)
            producer.produce(name, value, b"k", partition, on_delivery=confirmed)
        assert producer.flush(120) == 0

    def _message(self) -> tuple[bytes | None, str | None]:
        chance = self.rng.random()
        if chance < 0.1 and self.values:
            self.duplicates += 1
            return self.rng.choice(self.values), None
        value = self._event()
        if chance > 0.9:
            return _broken(value, self.rng)
        event = json.loads(value)
        self.values.append(value)
        self.rows[event["event_id"]] = (
            event["user_id"],
            event["movie_id"],
            event["event_time"],
            event.get("rating"),
            event.get("query"),
        )
        return value, None

    def _event(self) -> bytes:
        number = len(self.rows)
        time = datetime(2026, 1, 30, tzinfo=UTC) + timedelta(seconds=self.rng.randrange(172_800))
        event = {
            "event_id": f"{number}-{self.rng.getrandbits(32):x}",
            "event_type": "rating" if number % 3 == 0 else "view",
            "event_time": f"{time:%Y-%m-%dT%H:%M:%S}Z",
            "schema_version": 1,
            "user_id": self.rng.randrange(1000),
            "movie_id": self.rng.randrange(1000),
        }
        if number % 3 == 0:
            event["rating"] = self.rng.randrange(1, 11) / 2
        if number % 7 == 0:
            event["query"] = self.rng.choice(["'); DROP TABLE t; --", "<script>", "über 映画", ""])
        # Some go the quick way, some the thorough one.
        return json.dumps(event, ensure_ascii=number % 2 == 0).encode()

    def check(self) -> None:
        """The lake holds exactly what was sent."""
        lake = Lake(self.settings.data_lake_path)
        columns = ["event_id", "user_id", "movie_id", "event_time", "rating", "query"]
        found = lake.dataset("interactions").to_table(columns=columns).to_pylist()
        landed = Counter(row["event_id"] for row in found)
        assert set(landed) == set(self.rows)
        assert max(landed.values()) == 1
        for row in found:
            row["event_time"] = f"{row['event_time']:%Y-%m-%dT%H:%M:%S}Z"
        assert {row.pop("event_id"): tuple(row.values()) for row in found} == self.rows
        places = ["kafka_partition", "kafka_offset", "reason"]
        letters = lake.dataset("dead_letters").to_table(columns=places).to_pylist()
        assert Counter(tuple(letter.values()) for letter in letters) == self.invalid


def _extract(settings: Settings) -> None:
    """In a process of its own: small commits, so that many of them can be hit."""
    source.MAX_BATCH_MESSAGES = topic.MAX_COMMIT_MESSAGES = 40
    try:
        extract.run(settings, now=NOW)
    except MovieRecommenderError:
        # The broker may be away.
        os._exit(1)


@pytest.mark.timeout(1200)
def test_killed_at_any_moment_the_lake_equals_the_truth(
    mortal_broker: SingleBroker, tmp_path: Path, n_kills: tuple[int, int]
) -> None:
    extractions, brokers = n_kills
    rng = random.Random(7)
    settings = load_settings(
        kafka_bootstrap_servers=mortal_broker.servers,
        data_lake_path=str(tmp_path / "lake"),
        kafka_timeout_s=20,
        max_dead_letter_share=1,
    )
    plumbing.ensure_topics(settings, dict.fromkeys(events.CONTRACTS, PARTITIONS))
    truth = Truth(settings, rng)
    spawner = multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(["movie_recommender.extract"])
    moments: Counter[str] = Counter()
    broker_rounds = rng.sample(range(extractions), brokers)
    for number in range(extractions):
        truth.send(rng.randrange(40, 200))
        at_work = spawner.Process(target=_extract, args=(settings,))
        at_work.start()
        if number in broker_rounds:
            time.sleep(rng.uniform(0.05, LONGEST_S))
            mortal_broker.kill()
            moments["broker killed"] += 1
            at_work.join(rng.uniform(0, 3))
            mortal_broker.start()
        at_work.join(rng.uniform(0.05, LONGEST_S))
        moments["extraction killed at work" if at_work.is_alive() else "had ended"] += 1
        if at_work.is_alive():
            os.kill(at_work.pid or 0, signal.SIGKILL)
        at_work.join()
    extract.run(settings, now=NOW)
    truth.check()
    assert extract.run(settings, now=NOW).messages == 0
    assert moments["extraction killed at work"] >= extractions // 4
    print(  # noqa: T201 - the counts are the result
        f"\n{dict(moments)}; {len(truth.rows)} events, {truth.duplicates} duplicates, "
        f"{truth.invalid.total()} invalid: 0 lost, 0 doubled"
    )
