"""The simulator against a real broker: the same events whatever happened in between."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

from movie_recommender import extract
from movie_recommender import kafka as plumbing
from movie_recommender.errors import NotReadyError
from movie_recommender.events import CONTRACTS
from movie_recommender.settings import Settings
from movie_recommender.simulation import progress
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.generate import Sent, Step, generate_all, generate_entities
from movie_recommender.simulation.replay import replay
from movie_recommender.simulation.sink import Sink

pytestmark = pytest.mark.integration

DAY = date(2026, 3, 10)
TOPICS = tuple(CONTRACTS)


class Killed(Exception):
    pass


@pytest.fixture
def small(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"simulation_users": 60, "simulation_movies": 80, "simulation_dirt": "none"}
    )


def events(settings: Settings, topic: str) -> list[dict[str, object]]:
    """Everything in the topic."""
    name = plumbing.topic_name(settings, topic)
    consumer = Consumer(plumbing.client_config(settings, group_id="test", enable_auto_commit=False))
    try:
        starts, left = [], 0
        for number in range(plumbing.partitions(settings).get(name, 0)):
            low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=20)
            starts.append(TopicPartition(name, number, low))
            left += high - low
        consumer.assign(starts)
        messages: list[Message] = []
        while len(messages) < left:
            batch = consumer.consume(min(left - len(messages), 10_000), timeout=20)
            assert batch
            messages += batch
    finally:
        consumer.close()
    found = [(message.key(), json.loads(message.value())) for message in messages]
    if topic in TOPICS:
        entity = CONTRACTS[topic].key
        assert all(key == str(value[entity]).encode() for key, value in found)
    return [value for _, value in found]


def ids(settings: Settings, topic: str = "interactions") -> Counter[object]:
    return Counter(event["event_id"] for event in events(settings, topic))


def generate(settings: Settings, day: date = DAY, *, history_days: int = 2) -> Sent:
    return generate_all(settings, day, history_days=history_days, on_step=lambda _: None)


def days(settings: Settings) -> dict[str, int]:
    return dict(
        Counter(str(event["event_time"])[:10] for event in events(settings, "interactions"))
    )


def test_first_run_sends_users_movies_and_history_and_then_a_record(small: Settings) -> None:
    sent = generate(small)
    assert sent.first_date == "2026-03-08"
    assert sent.last_date == "2026-03-10"
    assert {topic: len(events(small, topic)) for topic in TOPICS} == sent.messages
    assert sent.messages["users"] == 60
    assert sent.messages["movies"] == 80
    assert sorted(days(small)) == ["2026-03-08", "2026-03-09", "2026-03-10"]
    assert events(small, progress.TOPIC) == [
        {
            "source": "synthetic",
            "seed": 42,
            "users": 60,
            "movies": 80,
            "first_date": "2026-03-08",
            "last_date": f"2026-03-{day:02}",
            "entities": True,
        }
        for day in (8, 9, 10)
    ]


def test_the_same_day_twice_has_the_same_ids(small: Settings) -> None:
    generate(small, history_days=0)
    first = ids(small)
    assert set(first.values()) == {1}
    generate(small, history_days=0)
    assert ids(small) == Counter(dict.fromkeys(first, 2))
    assert set(ids(small, "users").values()) == {1}


def test_a_later_day_brings_the_days_in_between(small: Settings) -> None:
    generate(small)
    before = days(small)
    sent = generate(small, DAY + timedelta(days=2))
    newcomers = sent.messages.get("users", 0)
    assert sent.messages["interactions"] > 0
    assert len(events(small, "users")) == 60 + newcomers
    assert (sent.first_date, sent.last_date) == ("2026-03-11", "2026-03-12")
    after = days(small)
    assert {day: after[day] for day in before} == before
    assert after.keys() - before.keys() == {"2026-03-11", "2026-03-12"}
    generate(small, DAY - timedelta(days=1))
    assert events(small, progress.TOPIC)[-1]["last_date"] == "2026-03-12"


def test_users_follow_when_only_interactions_were_sent_before(small: Settings) -> None:
    generate_all(small, DAY, history_days=0, on_step=lambda _: None, entities=False)
    assert events(small, "users") == []
    generate(small, history_days=0)
    assert len(events(small, "users")) == 60
    generate_entities(small, "users", DAY, on_step=lambda _: None)
    assert set(ids(small, "users").values()) == {2}


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_first_run_that_was_stopped_goes_on_with_the_next_day(
    small: Settings, after: int
) -> None:
    def stop(step: Step) -> None:
        if step.number == after:
            raise Killed

    with pytest.raises(Killed):
        generate_all(small, DAY, history_days=2, on_step=stop)
    assert len(events(small, progress.TOPIC)) == after
    sent = generate(small)
    assert sent.first_date == str(DAY - timedelta(days=max(0, 2 - after)))
    expected = small.model_copy(update={"kafka_topic_prefix": f"{small.kafka_topic_prefix}2."})
    generate(expected)
    again = ids(small)
    if after == 3:  # all of it had been sent, and a day that has been sent is sent again
        again = Counter(again.keys())
    assert again == ids(expected)
    assert ids(small, "users").keys() == ids(expected, "users").keys()


def test_a_killed_process_is_repeated_with_the_same_ids(small: Settings) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "KAFKA_BOOTSTRAP_SERVERS": small.kafka_bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": small.kafka_topic_prefix,
        "SIMULATION_USERS": "60",
        "SIMULATION_MOVIES": "80",
        "SIMULATION_HISTORY_DAYS": "2",
        "SIMULATION_DIRT": "none",
    }
    command = [sys.executable, "-m", "movie_recommender.simulation", "daily", "--date", str(DAY)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "sent=interactions" in line:
                process.send_signal(signal.SIGKILL)
                break
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    expected = small.model_copy(update={"kafka_topic_prefix": f"{small.kafka_topic_prefix}2."})
    generate(expected)
    for topic in TOPICS:
        assert ids(small, topic).keys() == ids(expected, topic).keys()


def test_another_world_has_its_own_progress(small: Settings) -> None:
    generate(small)
    other = small.model_copy(update={"simulation_seed": 43})
    assert generate(other).messages["users"] == 60


def test_a_message_that_the_broker_refuses_is_an_error(small: Settings) -> None:
    plumbing.ensure_topics(small, {"users": 1}, max_message_bytes="1000")
    # Random digits, since the limit holds after compression.
    value = json.dumps({"text": os.urandom(4000).hex()}).encode()
    sink = Sink(small)
    with pytest.raises(NotReadyError, match=r"users"):
        sink.send(Messages("users", [b"1"] * 3, [b"{}", value, b"{}"]))


def test_more_than_the_queue_holds_arrives_whole(small: Settings) -> None:
    plumbing.ensure_topics(small, {"users": 3})
    n = 250_000
    keys = [b"%d" % number for number in range(n)]
    Sink(small).send(Messages("users", keys, [b'{"user_id": %s}' % key for key in keys]))
    assert sorted(event["user_id"] for event in events(small, "users")) == list(range(n))


def test_a_message_that_the_client_refuses_is_an_error(small: Settings) -> None:
    plumbing.ensure_topics(small, {"users": 1})
    with pytest.raises(NotReadyError, match=r"users.*too large"):
        Sink(small).send(Messages("users", [b"1"] * 3, [b"{}", b"x" * 2_000_000, b"{}"]))


def test_progress_is_kept_for_ever(settings: Settings) -> None:
    progress.ensure_topic(settings)
    topic = ConfigResource(ConfigResource.Type.TOPIC, plumbing.topic_name(settings, progress.TOPIC))
    admin = AdminClient(plumbing.client_config(settings))
    [asked] = admin.describe_configs([topic]).values()
    config = asked.result(timeout=20)
    assert (config["retention.ms"].value, config["cleanup.policy"].value) == ("-1", "delete")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n2,10,4,835355493\n"
    )
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n10,GoldenEye (1995),Action\n31,Minds (1995),Drama\n"
    )
    return tmp_path


def test_a_replay_that_was_stopped_keeps_its_first_anchor(
    settings: Settings, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(step: Step) -> None:
        raise Killed

    with pytest.raises(Killed):
        replay(settings, folder, DAY, on_step=stop)
    [record] = events(settings, progress.TOPIC)
    assert (record["anchor"], record["complete"]) == ("2026-03-10", False)
    sent = replay(settings, folder, DAY + timedelta(days=3), on_step=lambda _: None)
    assert sent.messages == {"users": 2, "movies": 2, "interactions": 2}
    assert max(days(settings)) == "2026-03-10"
    assert set(ids(settings, "users").values()) == {2}
    with caplog.at_level(logging.INFO):
        again = replay(settings, folder, DAY + timedelta(days=4), on_step=lambda _: None)
    assert again.messages == {}
    assert "reason=complete" in caplog.text
    assert len(events(settings, "interactions")) == 2


def test_movielens_small_arrives_whole(settings: Settings) -> None:
    default = Path(__file__).parents[3] / "shared" / "data" / "ml-latest-small"
    data = Path(os.environ.get("MOVIELENS_DIR", default))
    if not data.is_dir():
        pytest.skip(f"no MovieLens data at {data}; set MOVIELENS_DIR")
    sent = replay(settings, data, DAY, on_step=lambda _: None)
    assert len(ids(settings)) == sent.messages["interactions"] == 100_004
    assert max(days(settings)) == "2026-03-10"


def test_what_the_dirt_says_is_what_extraction_finds(small: Settings) -> None:
    dirty = small.model_copy(
        update={
            "simulation_dirt": "duplicates=0.05,late=0.05,malformed=0.01,future=0.01",
            "max_dead_letter_share": 1.0,
        }
    )
    sent = generate_all(dirty, DAY, history_days=3, on_step=lambda _: None)
    result = extract.run(dirty, now=datetime(2026, 3, 11, 2, tzinfo=UTC))
    assert result.dead_letters == sent.dirt["malformed"] + sent.dirt["future"] > 0
    assert result.duplicates == sent.dirt["duplicates"] > 0
    assert result.rows["interactions"] == (
        sent.messages["interactions"] - result.dead_letters - result.duplicates
    )
    generate_all(dirty, DAY, history_days=3, on_step=lambda _: None)
    assert sum(extract.run(dirty, now=datetime(2026, 3, 11, 3, tzinfo=UTC)).rows.values()) == 0
