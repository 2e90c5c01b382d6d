"""Dead letters of a real extraction: listed, shown, and landed once when the contract allows."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from movie_recommender import events, extract
from movie_recommender import kafka as plumbing
from movie_recommender.errors import (
    ConcurrentWriteError,
    InputDataError,
    NotReadyError,
    StorageError,
)
from movie_recommender.extract import dead_letters, topic
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings
from tests.stream import NOW, most_stars

pytestmark = pytest.mark.integration

LATER = NOW + timedelta(hours=1)


def rating(event_id: str, stars: float) -> bytes:
    event = {
        "event_id": event_id,
        "event_type": "rating",
        "event_time": "2026-01-31T10:00:00Z",
        "schema_version": 1,
        "user_id": 1,
        "movie_id": 2,
        "rating": stars,
    }
    return json.dumps(event).encode()


@pytest.fixture
def rejected(settings: Settings) -> Settings:
    """Extracted: three good ratings, two of seven stars (one sent twice), one that is no JSON."""
    plumbing.ensure_topics(settings, dict.fromkeys(events.CONTRACTS, 2))
    producer = Producer(plumbing.client_config(settings))
    values = [rating("a", 4), rating("b", 7), b"{", rating("c", 7), rating("c", 7), rating("d", 1)]
    for value in values:
        producer.produce(plumbing.topic_name(settings, "interactions"), value, b"1", 1)
    assert producer.flush(30) == 0
    extract.run(settings, now=NOW)
    return settings


@pytest.fixture
def widened(rejected: Settings) -> Iterator[None]:  # after its extraction
    """From now on there are ten stars."""
    with most_stars(10):
        yield


def ids(settings: Settings) -> list[str]:
    found = Lake(settings.data_lake_path).dataset("interactions").to_table(columns=["event_id"])
    return sorted(found["event_id"].to_pylist())


def test_they_are_counted_by_reason_newest_first(rejected: Settings) -> None:
    found = dead_letters.listing(rejected)
    name = plumbing.topic_name(rejected, "interactions")
    assert (found.total, found.reasons) == (4, {name: {"out_of_range": 3, "invalid_json": 1}})
    assert [letter["kafka_offset"] for letter in found.newest] == [4, 3, 2, 1]
    few = dead_letters.listing(rejected, topic="interactions", reason="out_of_range", limit=1)
    assert (few.total, len(few.newest)) == (3, 1)
    assert dead_letters.listing(rejected, since=NOW.date() + timedelta(days=1)).total == 0
    assert dead_letters.listing(rejected, topic="movies").total == 0


def test_one_is_shown_whole_or_the_place_is_named(rejected: Settings) -> None:
    letter = dead_letters.show(rejected, "interactions", 1, 1)
    assert json.loads(letter["value"])["event_id"] == "b"
    assert (letter["key"], letter["reason"]) == ("1", "out_of_range")
    with pytest.raises(InputDataError, match=r"interactions\[1\], offset 0, .*dead-letters list"):
        dead_letters.show(rejected, "interactions", 1, 0)


def test_what_is_still_invalid_stays(rejected: Settings) -> None:
    result = dead_letters.replay(rejected, now=LATER)
    assert (result.judged, result.landed["interactions"]) == (4, 0)
    assert result.left == {"out_of_range": 3, "invalid_json": 1}
    assert dead_letters.listing(rejected).total == 4


@pytest.mark.usefixtures("widened")
def test_what_is_valid_now_lands_once_and_its_letter_goes(rejected: Settings) -> None:
    result = dead_letters.replay(rejected, now=LATER)
    assert (result.landed["interactions"], result.duplicates) == (2, 1)
    assert ids(rejected) == ["a", "b", "c", "d"]
    assert dead_letters.listing(rejected).reasons.popitem()[1] == {"invalid_json": 1}
    assert dead_letters.listing(rejected, reason="invalid_json").total == 1
    assert dead_letters.replay(rejected, now=LATER).landed["interactions"] == 0
    assert extract.run(rejected, now=LATER).messages == 0


@pytest.mark.usefixtures("widened")
def test_only_the_asked_for_reason_is_judged(rejected: Settings) -> None:
    assert dead_letters.replay(rejected, now=LATER, reason="invalid_json").judged == 1
    assert dead_letters.listing(rejected).total == 4


@pytest.mark.usefixtures("widened")
def test_killed_before_the_letters_go_the_next_replay_only_removes_them(
    rejected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        message = "no space"
        raise StorageError(message)

    monkeypatch.setattr(Lake, "delete", full)
    with pytest.raises(StorageError):
        dead_letters.replay(rejected, now=LATER)
    monkeypatch.undo()
    result = dead_letters.replay(rejected, now=LATER)
    assert (result.landed["interactions"], result.duplicates) == (0, 3)
    assert ids(rejected) == ["a", "b", "c", "d"]
    assert dead_letters.listing(rejected).total == 1


@pytest.mark.usefixtures("widened")
def test_a_replay_and_an_extraction_at_once_collide(
    rejected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(plumbing.client_config(rejected))
    producer.produce(plumbing.topic_name(rejected, "interactions"), rating("b", 3), b"1", 1)
    assert producer.flush(30) == 0
    drop = dead_letters.drop_duplicates

    def overtaken(*arguments: object) -> object:
        monkeypatch.undo()
        extract.run(rejected, now=LATER)  # lands b, which the replay hasn't seen
        return drop(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dead_letters, "drop_duplicates", overtaken)
    with pytest.raises(ConcurrentWriteError):
        dead_letters.replay(rejected, now=LATER)
    assert dead_letters.replay(rejected, now=LATER).duplicates == 2
    assert ids(rejected) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("widened")
def test_an_extraction_overtaken_by_a_replay_does_not_double(
    rejected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(plumbing.client_config(rejected))
    producer.produce(plumbing.topic_name(rejected, "interactions"), rating("b", 3), b"1", 1)
    assert producer.flush(30) == 0
    drop = topic.drop_duplicates

    def overtaken(*arguments: Any) -> object:
        rows = drop(*arguments)
        monkeypatch.undo()
        dead_letters.replay(rejected, now=LATER)  # lands b, which the extraction hasn't seen
        return rows

    monkeypatch.setattr(topic, "drop_duplicates", overtaken)
    with pytest.raises(ConcurrentWriteError):
        extract.run(rejected, now=LATER)
    extract.run(rejected, now=LATER)
    assert ids(rejected) == ["a", "b", "c", "d"]


@pytest.mark.usefixtures("widened")
def test_letters_that_were_written_again_meanwhile_stay(
    rejected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild by the old contract has taken their rows away again."""
    delete = Lake.delete

    def overtaken(lake: Lake, *arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        lake.append("dead_letters", events.DEAD_LETTERS.empty_table(), {})
        delete(lake, *arguments, **options)

    monkeypatch.setattr(Lake, "delete", overtaken)
    with pytest.raises(ConcurrentWriteError):
        dead_letters.replay(rejected, now=LATER)
    assert dead_letters.listing(rejected).total == 4
    assert dead_letters.replay(rejected, now=LATER).duplicates == 3


@pytest.mark.usefixtures("widened")
def test_before_anything_has_landed_a_replay_waits_and_does_no_harm(
    rejected: Settings, tmp_path: Path
) -> None:
    letters = Lake(rejected.data_lake_path).dataset("dead_letters").to_table()
    other = rejected.model_copy(update={"data_lake_path": str(tmp_path / "other")})
    Lake(other.data_lake_path).append("dead_letters", letters, {})
    with pytest.raises(NotReadyError, match="movie-recommender extract"):
        dead_letters.replay(other, now=LATER)
    extract.run(other, now=LATER)
    assert ids(other) == ["a", "b", "c", "d"]
