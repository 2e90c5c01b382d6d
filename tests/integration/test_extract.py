"""Extraction from a real broker: exactly once whatever happens in between."""

import json
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from movie_recommender import events, extract
from movie_recommender import kafka as plumbing
from movie_recommender.errors import (
    ConcurrentWriteError,
    InputDataError,
    NotReadyError,
    OffsetGapError,
)
from movie_recommender.extract import ExtractResult, source, topic
from movie_recommender.extract.plan import Watermarks
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings, load_settings

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
BATCH = 50

# Runs one extraction in small batches and kills itself at one point of it.
KILLED = """
import os, signal, sys
from datetime import datetime
from movie_recommender import extract
from movie_recommender.extract import source, topic
from movie_recommender.lake import Lake
from movie_recommender.settings import load_settings

table, nth, moment, now, batch = sys.argv[1:]
source.MAX_BATCH_MESSAGES = topic.MAX_COMMIT_MESSAGES = int(batch)
append = Lake.append
appended = []

def deadly(self, name, *args, **options):
    appended.append(name)
    fatal = name == table and appended.count(table) == int(nth)
    if fatal and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    version = append(self, name, *args, **options)
    if fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return version

Lake.append = deadly
extract.run(load_settings(), now=datetime.fromisoformat(now))
"""


def view(event_id: str, **changes: object) -> bytes:
    event = {
        "event_id": event_id,
        "event_type": "view",
        "event_time": "2026-01-31T10:00:00Z",
        "schema_version": 1,
        "user_id": 1,
        "movie_id": 2,
    }
    return json.dumps({**event, **changes}).encode()


@dataclass
class World:
    """Topics of its own on the shared broker, a lake, and what must be in it."""

    settings: Settings
    admin: AdminClient
    events: set[str] = field(default_factory=set)
    poison: set[tuple[int, int]] = field(default_factory=set)

    @property
    def topic(self) -> str:
        return plumbing.topic_name(self.settings, "interactions")

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.data_lake_path)

    def send(self, values: Iterable[bytes | None], partition: int = 0) -> list[int]:
        """Offsets of the messages sent."""
        offsets: list[int] = []
        producer = Producer(plumbing.client_config(self.settings))
        for value in values:
            producer.produce(
                self.topic,
                value,
                b"1",
                partition,
                on_delivery=lambda error, message: offsets.append(error or message.offset()),
            )
        assert producer.flush(30) == 0
        return offsets

    def send_events(self, name: str, n: int, partition: int = 0) -> None:
        ids = [f"{name}-{i}" for i in range(n)]
        self.send(map(view, ids), partition)
        self.events.update(ids)

    def send_poison(self, *values: bytes | None, partition: int = 0) -> None:
        self.poison.update((partition, offset) for offset in self.send(values, partition))

    def recreate(self) -> None:
        self.admin.delete_topics([self.topic])[self.topic].result(20)
        while self.topic in plumbing.partitions(self.settings):
            time.sleep(0.1)
        plumbing.ensure_topics(self.settings, {"interactions": 3})

    def extract(self, **options: bool) -> ExtractResult:
        return extract.run(self.settings, now=NOW, **options)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.settings.kafka_topic_prefix,
            "DATA_LAKE_PATH": self.settings.data_lake_path,
        }
        command = [sys.executable, "-c", KILLED, *arguments, NOW.isoformat(), str(BATCH)]
        return subprocess.Popen(command, env=environment)

    def check(self) -> None:
        """Each event is in the lake once, each poison in the dead letters once, nothing else."""
        landed = Counter(self.lake.dataset("interactions").to_table()["event_id"].to_pylist())
        assert landed == Counter(self.events)
        letters = self.lake.dataset("dead_letters").to_table()
        places = zip(
            letters["kafka_partition"].to_pylist(), letters["kafka_offset"].to_pylist(), strict=True
        )
        assert Counter(places) == Counter(self.poison)


@pytest.fixture
def world(kafka: str, tmp_path: Path) -> World:
    settings = load_settings(
        kafka_bootstrap_servers=kafka,
        kafka_topic_prefix=f"extract-{uuid.uuid4().hex[:8]}.",
        data_lake_path=str(tmp_path / "lake"),
        kafka_timeout_s=20,
    )
    plumbing.ensure_topics(settings, dict.fromkeys(events.CONTRACTS, 3))
    return World(settings, AdminClient(plumbing.client_config(settings)))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BATCH_MESSAGES", BATCH)
    monkeypatch.setattr(topic, "MAX_COMMIT_MESSAGES", BATCH)


def fill(world: World) -> None:
    """120 events in three partitions, with poison between them and some sent twice."""
    for partition in range(3):
        world.send_events(f"p{partition}", 40, partition)
        world.send_poison(b"{", None, b"\xff", view("x", user_id="1"), partition=partition)
        world.send(map(view, (f"p{partition}-{i}" for i in range(10))), (partition + 1) % 3)


@pytest.mark.usefixtures("small_batches")
def test_every_message_lands_once_and_a_repeated_run_adds_nothing(world: World) -> None:
    fill(world)
    result = world.extract()
    world.check()
    assert result.rows == {"users": 0, "movies": 0, "interactions": 120}
    assert (result.messages, result.duplicates, result.dead_letters) == (162, 30, 12)
    assert result.totals == {"users": 0, "movies": 0, "interactions": 120, "dead_letters": 12}
    assert result.gaps == []
    again = world.extract()
    assert (again.messages, again.rows["interactions"], again.dead_letters) == (0, 0, 0)
    assert again.lake_versions == result.lake_versions
    json.dumps(result.__dict__)


def test_dead_letters_say_where_and_why(world: World) -> None:
    world.send_events("good", 2, partition=1)
    world.send_poison(view("x", rating="5"), None, partition=1)
    world.extract()
    letters = world.lake.dataset("dead_letters").to_table().to_pylist()
    assert [(x["kafka_topic"], x["kafka_partition"], x["kafka_offset"]) for x in letters] == [
        (world.topic, 1, 2),
        (world.topic, 1, 3),
    ]
    assert [x["reason"] for x in letters] == ["wrong_type", "null_value"]
    assert letters[0]["detail"] == 'rating is "5", expected a number'
    assert (letters[0]["key"], letters[0]["value"]) == (b"1", view("x", rating="5"))


@pytest.mark.parametrize(
    ("table", "nth", "moment"),
    [
        ("dead_letters", 1, "before"),
        ("dead_letters", 1, "after"),
        ("interactions", 1, "before"),
        ("interactions", 1, "after"),
        ("interactions", 2, "before"),
        ("interactions", 3, "after"),
    ],
)
@pytest.mark.usefixtures("small_batches")
def test_killed_at_any_step_nothing_is_lost_or_doubled(
    world: World, table: str, nth: int, moment: str
) -> None:
    fill(world)
    assert world.start(table, str(nth), moment).wait(60) == -signal.SIGKILL
    world.extract()
    world.check()


@pytest.mark.usefixtures("small_batches")
def test_killed_at_odd_moments_nothing_is_lost_or_doubled(world: World) -> None:
    fill(world)
    landing = world.start("none", "0", "before")
    for delay_s in (0.0, 0.03, 0.1):
        while landing.poll() is None and world.lake.version("dead_letters") is None:
            time.sleep(0.005)
        time.sleep(delay_s)
        landing.kill()
        landing.wait(60)
        world.send_events(f"more-{delay_s}", 60)
        landing = world.start("none", "0", "before")
    assert landing.wait(60) == 0
    world.check()


def test_what_is_sent_during_a_run_waits_for_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.send_events("before", 10)
    watermarks = source.Source.watermarks

    def sending(self: source.Source, topic: str, n: int) -> dict[int, Watermarks]:
        held = watermarks(self, topic, n)
        if topic == world.topic and not world.events & {"during-0"}:
            world.send_events("during", 10)
        return held

    monkeypatch.setattr(source.Source, "watermarks", sending)
    result = world.extract()
    assert (result.messages, result.lag) == (10, 10)
    monkeypatch.undo()
    assert world.extract().messages == 10
    world.check()


def test_an_event_sent_again_is_left_out_in_a_later_run(world: World) -> None:
    world.send_events("first", 20, partition=0)
    world.extract()
    world.send((view(f"first-{i}") for i in range(20)), partition=2)
    world.send_events("second", 5, partition=2)
    result = world.extract()
    assert (result.rows["interactions"], result.duplicates) == (5, 20)
    world.check()


@pytest.mark.usefixtures("small_batches")
def test_two_extractions_at_once_end_as_one(world: World) -> None:
    fill(world)

    def extract_until_done() -> int:
        rows = 0
        for _ in range(20):
            try:
                return rows + world.extract().rows["interactions"]
            except ConcurrentWriteError:
                continue
        pytest.fail("an extraction never got through")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: extract_until_done(), range(3)))
    world.check()


def test_deleted_messages_stop_the_run_until_the_loss_is_accepted(world: World) -> None:
    world.send_events("before", 5)
    world.extract()
    world.send(map(view, (f"lost-{i}" for i in range(4))))
    world.send_events("after", 3)
    place = TopicPartition(world.topic, 0, 9)
    world.admin.delete_records([place])[place].result(20)

    with pytest.raises(OffsetGapError, match=r"interactions\[0\]: offsets 5 to 8 are gone") as told:
        world.extract()
    assert "movie-recommender extract --accept-data-loss" in str(told.value)
    result = world.extract(accept_data_loss=True)
    assert result.gaps == [f"{world.topic}[0]: offsets 5 to 8 are gone (4 lost)"]
    assert world.extract().gaps == []
    world.check()


def test_a_recreated_topic_stops_the_run_until_the_loss_is_accepted(world: World) -> None:
    world.send_events("old", 10)
    world.send_poison(b"old poison")
    world.extract()
    world.recreate()
    with pytest.raises(OffsetGapError, match="was deleted and created again"):
        world.extract()
    assert len(world.extract(accept_data_loss=True).gaps) == 1
    world.send_events("new", 11)
    assert world.extract().rows["interactions"] == 11
    world.check()


def test_a_recreated_topic_is_seen_also_when_it_holds_more_than_the_old_one(world: World) -> None:
    world.send_events("old", 10)
    world.extract()
    world.recreate()
    world.send_events("new", 25)
    with pytest.raises(OffsetGapError, match=r"again, extracted before were \[0\] to 10"):
        world.extract()
    assert world.extract(accept_data_loss=True).rows["interactions"] == 25
    assert world.extract().gaps == []
    world.check()


def test_a_flood_of_dead_letters_fails_the_run_once_and_lands_the_rest(world: World) -> None:
    world.send_events("good", 950)
    world.send_poison(*[b"{"] * 40, *[None] * 20)
    with pytest.raises(
        InputDataError, match=r"60 of 1010 .*invalid_json 40.*MAX_DEAD_LETTER_SHARE=0.05"
    ):
        world.extract()
    world.check()
    assert world.extract().messages == 0


def test_new_partitions_are_read_from_their_beginning(world: World) -> None:
    world.send_events("three", 5)
    world.extract()
    more = [NewPartitions(world.topic, 6)]
    world.admin.create_partitions(more)[world.topic].result(20)
    while plumbing.partitions(world.settings)[world.topic] < 6:
        time.sleep(0.1)
    world.send_events("six", 5, partition=5)
    world.extract()
    world.check()


def test_aborted_transactions_are_not_events(world: World) -> None:
    producer = Producer(
        plumbing.client_config(world.settings, transactional_id=world.settings.kafka_topic_prefix)
    )
    producer.init_transactions(30)
    for name, commit in (("kept", True), ("aborted", False)):
        producer.begin_transaction()
        producer.produce(world.topic, view(name), b"1", 0)
        producer.flush(30)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)
    world.events.add("kept")
    result = world.extract()
    assert result.messages == 1
    world.check()
    assert world.extract().lake_versions == result.lake_versions


def test_missing_topics_are_no_rows(world: World, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = world.settings.model_copy(update={"kafka_topic_prefix": "nobody-has-this."})
    result = extract.run(elsewhere, now=NOW)
    assert result.rows == {"users": 0, "movies": 0, "interactions": 0}
    assert result.lake_versions == {}
    assert "nobody-has-this.users isn't on the broker" in caplog.text


def test_a_broker_that_never_answers_is_a_bounded_wait(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        settings = load_settings(
            kafka_bootstrap_servers=f"{host}:{port}",
            data_lake_path=str(tmp_path),
            kafka_timeout_s=1,
        )
        began = time.monotonic()
        with pytest.raises(NotReadyError, match="within 1 s"):
            extract.run(settings, now=NOW)
        assert time.monotonic() - began < 10
