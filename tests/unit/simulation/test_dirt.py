"""Dirt is counted: what extraction must make of a day is known to the message."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.errors import ConfigurationError
from movie_recommender.extract.validate import MESSAGES, Validated, validate
from movie_recommender.simulation import interactions_of_day, make_world
from movie_recommender.simulation.dirt import MAX_DELAY_DAYS, NONE, Day, Dirt, DirtyDays
from movie_recommender.simulation.encode import encode

WORLD = make_world(7, 200, 300)
DAY = date(2026, 3, 1)
MUCH = Dirt(
    duplicates=0.05,
    late=0.1,
    out_of_order=0.05,
    malformed=0.02,
    invalid_utf8=0.02,
    wrong_type=0.02,
    huge=0.02,
    future=0.02,
    unknown_ids=0.02,
)


def events_of(day: date) -> pa.Table:
    return pa.concat_tables(interactions_of_day(WORLD, day))


def judged(day: Day) -> Validated:
    values = [v.encode() if isinstance(v, str) else v for v in day.messages.values]
    n = len(values)
    keys = [key.encode() for key in day.messages.keys]
    messages = pa.table([[0] * n, list(range(n)), keys, values], schema=MESSAGES)
    now = datetime(2026, 3, 10, tzinfo=UTC)
    return validate(messages, events.INTERACTIONS, kafka_topic="interactions", now=now)


def test_without_dirt_the_messages_are_the_events() -> None:
    day = DirtyDays(WORLD, NONE).day(DAY)
    assert day.messages == encode("interactions", events_of(DAY))
    assert day.invalid == sum(day.dirt.values()) == 0


def test_every_broken_message_and_no_other_is_rejected() -> None:
    day = DirtyDays(WORLD, MUCH).day(DAY)
    verdict = judged(day)
    assert verdict.rejected.num_rows == day.invalid > 50
    assert set(verdict.rejected["reason"].to_pylist()) >= {
        "invalid_json",
        "invalid_utf8",
        "wrong_type",
        "out_of_range",
        "event_time_in_future",
    }


def test_over_the_days_every_event_arrives_and_only_the_counted_twice() -> None:
    days = [DAY + timedelta(days=n) for n in range(8)]
    dirty = DirtyDays(WORLD, MUCH)
    made = [dirty.day(day) for day in days]
    arrived: Counter[str] = Counter()
    unknown = 0
    for day in made:
        rows = judged(day).rows
        arrived.update(rows["event_id"].to_pylist())
        unknown += sum(user >= 10**12 for user in rows["user_id"].to_pylist())
    for day in days[:-MAX_DELAY_DAYS]:
        ids = events_of(day)["event_id"].to_pylist()
        assert set(ids) <= set(arrived)
    assert arrived.total() - len(arrived) == sum(day.dirt["duplicates"] for day in made)
    assert unknown == sum(day.dirt["unknown_ids"] for day in made) > 0


def test_late_events_come_with_a_later_day_and_keep_their_time() -> None:
    day = DirtyDays(WORLD, Dirt.parse("late=0.3")).day(DAY)
    dates = Counter(judged(day).rows["event_date"].to_pylist())
    assert set(dates) == {DAY - timedelta(days=n) for n in range(MAX_DELAY_DAYS + 1)}
    assert day.dirt["late"] == dates.total() - dates[DAY]


def test_out_of_order_messages_come_after_newer_ones() -> None:
    table = judged(DirtyDays(WORLD, Dirt.parse("out_of_order=0.1")).day(DAY)).rows
    times = table.sort_by("kafka_offset")["event_time"].to_pylist()
    assert times != sorted(times)
    assert Counter(times) == Counter(events_of(DAY)["event_time"].to_pylist())


def test_a_day_is_the_same_whichever_were_made_before() -> None:
    warm = DirtyDays(WORLD, MUCH)
    for n in range(5, 0, -1):
        warm.day(DAY - timedelta(days=n))
    assert warm.day(DAY) == DirtyDays(WORLD, MUCH).day(DAY)


def test_the_default_has_a_little_of_each() -> None:
    day = DirtyDays(make_world(7, 2000, 500), Dirt.parse("default")).day(DAY)
    assert all(count > 0 for count in day.dirt.values()), day.dirt
    assert day.invalid < len(day.messages) / 500


@pytest.mark.parametrize("text", ["late", "late=2", "late=-0.1", "lat=0.1", "late=nan", ""])
def test_wrong_rates_are_refused_with_the_allowed_form(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SIMULATION_DIRT=.*NAME=RATE"):
        Dirt.parse(text)


def test_rates_not_named_are_zero() -> None:
    assert Dirt.parse("late=0.25,malformed=1") == Dirt(
        **{
            **dict.fromkeys(vars(NONE), 0.0),
            "late": 0.25,
            "malformed": 1.0,
        }
    )
