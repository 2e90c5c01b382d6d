"""Extraction from a real broker: exactly once whatever happens in between."""

import dataclasses
import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from movie_recommender import extract
from movie_recommender.errors import (
    ConcurrentWriteError,
    InputDataError,
    NotReadyError,
    OffsetGapError,
)
from movie_recommender.extract import source
from movie_recommender.extract.plan import Watermarks
from movie_recommender.settings import Settings, load_settings
from tests.steps import at_moment, small_commits, start
from tests.stream import NOW, Stream, most_stars, view

pytestmark = pytest.mark.integration

BATCH = 50


@pytest.fixture
def small_batches() -> Iterator[None]:
    with small_commits(BATCH):
        yield


def fill(stream: Stream) -> None:
    """120 events in three partitions, with poison between them and some sent twice."""
    for partition in range(3):
        stream.send_events(f"p{partition}", 40, partition)
        stream.send([b"{"], partition, reason="invalid_json")
        stream.send([None], partition, reason="null_value")
        stream.send([b"\xff"], partition, reason="invalid_utf8")
        stream.send([view("x", user_id="1")], partition, reason="wrong_type")
        stream.send_events(f"p{partition}", 10, (partition + 1) % 3)


def landing(stream: Stream, *, kill_at: int = 0) -> ForkServerProcess:
    step = partial(extract.run, stream.settings, now=NOW)
    return start(step, kill_at=kill_at, n_messages=BATCH)


@pytest.mark.usefixtures("small_batches")
def test_every_message_lands_once_and_a_repeated_run_adds_nothing(stream: Stream) -> None:
    fill(stream)
    result = stream.extract()
    stream.check()
    assert result.rows == {"users": 0, "movies": 0, "interactions": 120}
    assert (result.messages, result.duplicates, result.dead_letters) == (162, 30, 12)
    assert result.totals == {"users": 0, "movies": 0, "interactions": 120, "dead_letters": 12}
    assert result.gaps == []
    again = stream.extract()
    assert (again.messages, again.rows["interactions"], again.dead_letters) == (0, 0, 0)
    assert again.lake_versions == result.lake_versions
    json.dumps(dataclasses.asdict(result))


def test_dead_letters_say_where_and_why(stream: Stream) -> None:
    stream.send_events("good", 2, partition=1)
    stream.send([view("x", rating="5")], partition=1, reason="wrong_type")
    stream.send([None], partition=1, reason="null_value")
    stream.extract()
    letters = stream.lake.dataset("dead_letters").to_table().to_pylist()
    assert [(x["kafka_topic"], x["kafka_partition"], x["kafka_offset"]) for x in letters] == [
        (stream.topic, 1, 2),
        (stream.topic, 1, 3),
    ]
    assert [x["reason"] for x in letters] == ["wrong_type", "null_value"]
    assert letters[0]["detail"] == 'rating is "5", expected a number'
    assert (letters[0]["key"], letters[0]["value"]) == (b"k", view("x", rating="5"))


@pytest.mark.parametrize("nth", [2, 3, 4, 5, 7, 9])
@pytest.mark.usefixtures("small_batches")
def test_killed_at_any_step_nothing_is_lost_or_doubled(stream: Stream, nth: int) -> None:
    fill(stream)
    killed = landing(stream, kill_at=nth)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    stream.extract()
    stream.check()


@pytest.mark.usefixtures("small_batches")
def test_killed_at_odd_moments_nothing_is_lost_or_doubled(stream: Stream) -> None:
    fill(stream)
    at_work = landing(stream)
    for delay_s in (0.0, 0.03, 0.1):
        while at_work.is_alive() and stream.lake.version("dead_letters") is None:
            time.sleep(0.005)
        time.sleep(delay_s)
        at_work.kill()
        at_work.join(60)
        stream.send_events(f"more-{delay_s}", 60)
        at_work = landing(stream)
    at_work.join(60)
    assert at_work.exitcode == 0
    stream.check()


def test_what_is_sent_during_a_run_waits_for_the_next(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send_events("before", 10)
    watermarks = source.Source.watermarks

    def sending(self: source.Source, topic: str, n: int) -> dict[int, Watermarks]:
        held = watermarks(self, topic, n)
        if topic == stream.topic and "during-0" not in stream.events:
            stream.send_events("during", 10)
        return held

    monkeypatch.setattr(source.Source, "watermarks", sending)
    result = stream.extract()
    assert (result.messages, result.lag) == (10, 10)
    monkeypatch.undo()
    assert stream.extract().messages == 10
    stream.check()


def test_an_event_sent_again_is_left_out_in_a_later_run(stream: Stream) -> None:
    stream.send_events("first", 20, partition=0)
    stream.extract()
    stream.send_events("first", 20, partition=2)
    stream.send_events("second", 5, partition=2)
    result = stream.extract()
    assert (result.rows["interactions"], result.duplicates) == (5, 20)
    stream.check()


@pytest.mark.usefixtures("small_batches")
def test_two_extractions_at_once_end_as_one(stream: Stream) -> None:
    fill(stream)

    def extract_until_done() -> int:
        rows = 0
        for _ in range(20):
            try:
                return rows + stream.extract().rows["interactions"]
            except ConcurrentWriteError:
                continue
        pytest.fail("an extraction never got through")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: extract_until_done(), range(3)))
    stream.check()


def extract_where_ten_stars_are_valid(settings: Settings) -> None:
    with most_stars(10):
        extract.run(settings, now=NOW)


def kill_under_a_wider_contract(stream: Stream) -> None:
    """The letters' offsets are beyond the rows' then, so that the next letters don't move them."""
    seven = view("seven", event_type="rating", rating=7)
    stream.send([seven], reason="out_of_range")
    stream.send([b"{"], reason="invalid_json")
    stream.send_events("a", 2)
    killed = start(partial(extract_where_ten_stars_are_valid, stream.settings), kill_at=3)
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL


def test_two_at_once_after_a_kill_under_a_wider_contract_reject_once(stream: Stream) -> None:
    kill_under_a_wider_contract(stream)
    with at_moment(1, stream.extract), pytest.raises(ConcurrentWriteError):
        stream.extract()
    stream.check()


def test_and_so_where_one_of_them_reads_on_beyond_those_offsets(stream: Stream) -> None:
    kill_under_a_wider_contract(stream)
    stream.send([b"}"], reason="invalid_json")

    def rejected_up_to_those_offsets() -> None:
        other = start(partial(extract.run, stream.settings, now=NOW), kill_at=3, n_messages=4)
        other.join(120)
        assert other.exitcode == -signal.SIGKILL

    with at_moment(1, rejected_up_to_those_offsets), pytest.raises(ConcurrentWriteError):
        stream.extract()
    stream.extract()
    stream.check()


def test_deleted_messages_stop_the_run_until_the_loss_is_accepted(stream: Stream) -> None:
    stream.send_events("before", 5)
    stream.extract()
    stream.send_events("lost", 4)
    stream.send_events("after", 3)
    stream.delete_before(9)

    with pytest.raises(OffsetGapError, match=r"interactions\[0\]: offsets 5 to 8 are gone") as told:
        stream.extract()
    assert "movie-recommender extract --accept-data-loss" in str(told.value)
    result = stream.extract(accept_data_loss=True)
    assert result.gaps == [f"{stream.topic}[0]: offsets 5 to 8 are gone (4 lost)"]
    assert stream.extract().gaps == []
    stream.lose(f"lost-{i}" for i in range(4))
    stream.check()


def test_a_recreated_topic_stops_the_run_until_the_loss_is_accepted(stream: Stream) -> None:
    stream.send_events("old", 10)
    stream.send([b"old poison"], reason="invalid_json")
    stream.extract()
    stream.recreate()
    with pytest.raises(OffsetGapError, match="was deleted and created again"):
        stream.extract()
    assert len(stream.extract(accept_data_loss=True).gaps) == 1
    stream.send_events("new", 11)
    assert stream.extract().rows["interactions"] == 11
    stream.check()


def test_a_recreated_topic_is_seen_also_when_it_holds_more_than_the_old_one(stream: Stream) -> None:
    stream.send_events("old", 10)
    stream.extract()
    stream.recreate()
    stream.send_events("new", 25)
    with pytest.raises(OffsetGapError, match=r"again, extracted before were \[0\] to 10"):
        stream.extract()
    assert stream.extract(accept_data_loss=True).rows["interactions"] == 25
    assert stream.extract().gaps == []
    stream.check()


def test_a_flood_of_dead_letters_fails_the_run_once_and_lands_the_rest(stream: Stream) -> None:
    stream.send_events("good", 950)
    stream.send([b"{"] * 40, reason="invalid_json")
    stream.send([None] * 20, reason="null_value")
    with pytest.raises(
        InputDataError, match=r"60 of 1010 .*invalid_json 40.*MAX_DEAD_LETTER_SHARE=0.05"
    ):
        stream.extract()
    stream.check()
    assert stream.extract().messages == 0


def test_new_partitions_are_read_from_their_beginning(stream: Stream) -> None:
    stream.send_events("three", 5)
    stream.extract()
    stream.add_partitions(6)
    stream.send_events("six", 5, partition=5)
    stream.extract()
    stream.check()


def test_missing_topics_are_no_rows(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = stream.settings.model_copy(update={"kafka_topic_prefix": "nobody-has-this."})
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
