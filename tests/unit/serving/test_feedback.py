import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from movie_recommender.events import INTERACTIONS
from movie_recommender.serving.feedback import Event, Feedback
from movie_recommender.serving.impressions import Shown

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIKE = {"event_type": "like", "user_id": 1, "movie_id": 2}


def event(key: str | None = None, **fields: object) -> Event:
    return Event(Feedback.model_validate({**LIKE, **fields}), now=NOW, idempotency_key=key)


def test_every_field_of_the_contract_can_be_said() -> None:
    said = set(Feedback.model_fields) | {"schema_version"}
    assert {field.name for field in INTERACTIONS.fields} <= said


def test_what_goes_to_kafka() -> None:
    sent = event(rating=4.5, event_type="rating", impression_id="abc")
    assert sent.key == b"1"
    value = json.loads(sent.value)
    assert len(value.pop("event_id")) == 32
    assert value == {
        "event_type": "rating",
        "event_time": "2026-11-26T12:00:00+00:00",
        "schema_version": 1,
        "user_id": 1,
        "movie_id": 2,
        "rating": 4.5,
        "impression_id": "abc",
    }


def test_the_same_key_of_the_same_user_is_the_same_event() -> None:
    assert event("k").event_id == event("k").event_id
    assert event("k").event_id != event("k", user_id=3).event_id
    assert event("k").event_id != event("l").event_id
    assert event().event_id != event().event_id
    assert event("k", event_id="mine").event_id == "mine"


def test_a_body_is_known_again_by_its_digest() -> None:
    def digest(**fields: object) -> bytes:
        return event(**fields).feedback.digest

    assert digest() == digest(position=None)
    assert digest(event_time="2026-11-26T12:00:00Z") == digest(
        event_time="2026-11-26T12:00:00+00:00"
    )
    others = ({}, {"position": 1}, {"movie_id": 3}, {"event_type": "view"}, {"session_id": "s"})
    assert len({digest(**fields) for fields in others}) == len(others)


@pytest.mark.parametrize(
    ("fields", "liked", "disliked"),
    [
        ({"event_type": "like"}, True, False),
        ({"event_type": "view"}, False, False),
        ({"event_type": "rating", "rating": 3.5}, True, False),
        ({"event_type": "rating", "rating": 3.0}, False, True),
        ({"event_type": "watch", "fraction": 0.5}, True, False),
        ({"event_type": "watch", "fraction": 0.49}, False, False),
    ],
)
def test_what_counts_as_liked_and_disliked(fields: dict, liked: bool, disliked: bool) -> None:
    contact = event(**fields).contact
    assert contact is not None
    assert (contact.user_id, contact.movie_id) == (1, 2)
    assert (contact.liked, contact.disliked) == (liked, disliked)
    assert contact.time_us == int(NOW.timestamp() * 1e6)


def test_a_search_is_no_contact() -> None:
    assert event(event_type="search", query="matrix").contact is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"movie_id": None},
        {"event_type": "rating"},
        {"event_type": "watch"},
        {"event_type": "search"},
        {"event_type": "impression"},
        {"event_type": "rating", "rating": 5.5},
        {"event_type": "rating", "rating": float("nan")},
        {"event_type": "watch", "fraction": -0.1},
        {"user_id": -1},
        {"user_id": 2**63},
        {"event_id": ""},
        {"event_id": "x" * 65},
        {"event_time": "2026-11-26T12:00:00"},
        {"impression_id": "x" * 65},
        {"moviee_id": 2},
    ],
)
def test_what_the_contract_forbids_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Feedback.model_validate({**LIKE, **wrong})


def test_a_clock_that_runs_ahead_is_refused() -> None:
    ahead = NOW + timedelta(days=1)
    assert event(event_time=ahead.isoformat()).time == ahead
    with pytest.raises(ValueError, match="more than 1 day"):
        event(event_time=(ahead + timedelta(seconds=1)).isoformat())


def test_impressions_are_events_of_the_contract() -> None:
    shown = Shown("i1", 7, [20, 30], version=4, reason="personal", at=NOW)
    events = [json.loads(value) for value in shown.events()]
    assert [(e["event_id"], e["movie_id"], e["position"]) for e in events] == [
        ("i1-0", 20, 0),
        ("i1-1", 30, 1),
    ]
    required = {field.name for field in INTERACTIONS.fields if field.required}
    assert all(required <= set(e) for e in events)
    assert {(e["event_type"], e["impression_id"], e["user_id"]) for e in events} == {
        ("impression", "i1", 7)
    }
