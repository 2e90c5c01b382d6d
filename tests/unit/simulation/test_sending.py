"""Dirt is counted: what extraction must make of a day is known to the message."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.extract.validate import MESSAGES, Validated, validate
from movie_recommender.simulation import interactions_of_day, make_world, merge, sending
from movie_recommender.simulation.dirt import MAX_DELAY_DAYS, Dirt
from movie_recommender.simulation.encode import Messages, encode
from movie_recommender.simulation.sending import DirtyDays
from movie_recommender.simulation.world import World

WORLD = make_world(7, 200, 300)
DAY = date(2026, 3, 1)
NONE = Dirt.parse("none")
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
BREAKS = ("malformed", "invalid_utf8", "wrong_type", "huge", "future")


@dataclass(frozen=True)
class Day:
    messages: Messages
    dirt: dict[str, int]

    @property
    def invalid(self) -> int:
        return sum(self.dirt[name] for name in BREAKS)


def day_of(dirty: DirtyDays, day: date) -> Day:
    counts: Counter[str] = Counter()
    tables = enumerate(dirty.tables(day, counts))
    parts = [dirty.messages(day, number, table, counts) for number, table in tables]
    keys = [key for part in parts for key in part.keys]
    values = [value for part in parts for value in part.values]
    return Day(Messages("interactions", keys, values), dict(counts))


def sent(dirt: Dirt, world: World = WORLD) -> Day:
    return day_of(DirtyDays(world, dirt), DAY)


def events_of(day: date, world: World = WORLD) -> pa.Table:
    return pa.concat_tables(interactions_of_day(world, day))


def judged(day: Day) -> Validated:
    n = len(day.messages)
    columns = [[0] * n, list(range(n)), day.messages.keys, day.messages.values]
    now = datetime(2026, 3, 10, tzinfo=UTC)
    messages = pa.table(columns, schema=MESSAGES)
    return validate(messages, events.INTERACTIONS, kafka_topic="interactions", now=now)


def test_without_dirt_the_messages_are_the_events() -> None:
    day = sent(NONE)
    assert day.messages == encode("interactions", events_of(DAY))
    assert sum(day.dirt.values()) == 0


def test_a_day_in_many_blocks_and_parts_is_in_order_and_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = make_world(7, 20_000, 4000)
    monkeypatch.setattr(merge, "ROWS_AT_ONCE", 7_000)
    expected = events_of(DAY, world)
    rows = judged(sent(NONE, world)).rows.sort_by("kafka_offset")
    assert rows["event_time"].to_pylist() == sorted(expected["event_time"].to_pylist())
    assert Counter(rows["event_id"].to_pylist()) == Counter(expected["event_id"].to_pylist())


def test_every_broken_message_and_no_other_is_rejected() -> None:
    day = sent(MUCH)
    verdict = judged(day)
    assert verdict.rejected.num_rows == day.invalid > 50
    assert set(verdict.rejected["reason"].to_pylist()) >= {
        "invalid_json",
        "invalid_utf8",
        "wrong_type",
        "out_of_range",
        "event_time_in_future",
    }


@pytest.mark.parametrize("rows_at_once", [50_000, 300])
def test_over_the_days_every_event_arrives_and_only_the_counted_twice(
    rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(sending, "_JITTER_MESSAGES", 200)
    days = [DAY + timedelta(days=n) for n in range(8)]
    dirty = DirtyDays(WORLD, MUCH)
    made = [day_of(dirty, day) for day in days]
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
    day = sent(Dirt.parse("late=0.3"))
    rows = judged(day).rows.sort_by("kafka_offset")
    dates = Counter(rows["event_date"].to_pylist())
    assert set(dates) == {DAY - timedelta(days=n) for n in range(MAX_DELAY_DAYS + 1)}
    assert day.dirt["late"] == dates.total() - dates[DAY]
    # They come at their time of day, among the day's own.
    of_day = [
        time - datetime.combine(time, datetime.min.time(), UTC)
        for time in rows["event_time"].to_pylist()
    ]
    assert of_day == sorted(of_day)


def test_out_of_order_messages_come_after_newer_ones() -> None:
    table = judged(sent(Dirt.parse("out_of_order=0.1"))).rows
    times = table.sort_by("kafka_offset")["event_time"].to_pylist()
    assert times != sorted(times)
    assert Counter(times) == Counter(events_of(DAY)["event_time"].to_pylist())


def test_a_day_is_the_same_whichever_were_made_before() -> None:
    warm = DirtyDays(WORLD, MUCH)
    for n in range(5, 0, -1):
        day_of(warm, DAY - timedelta(days=n))
    assert day_of(warm, DAY) == sent(MUCH)


def test_the_default_has_a_little_of_each() -> None:
    day = sent(Dirt.parse("default"), make_world(7, 6000, 500))
    assert all(count > 0 for count in day.dirt.values()), day.dirt
    assert day.invalid < len(day.messages) / 500
