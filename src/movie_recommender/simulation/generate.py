"""The order of things of the synthetic world: which topics and days a run sends."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa

from movie_recommender import events, kafka
from movie_recommender.settings import Settings
from movie_recommender.simulation import progress
from movie_recommender.simulation.day import (
    movie_arrivals,
    movie_events,
    user_arrivals,
    user_events,
)
from movie_recommender.simulation.dirt import Dirt, DirtyDays
from movie_recommender.simulation.encode import encode
from movie_recommender.simulation.sink import Sink
from movie_recommender.simulation.world import World, make_world


@dataclass(frozen=True)
class Step:
    """One part of a run that the broker has confirmed."""

    name: str
    messages: int
    number: int
    total: int


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Sent:
    """What a run sent: messages by topic; the days are null when no day was sent.

    `dirt` counts what went wrong with them, by the names of `Dirt`.
    """

    messages: dict[str, int]
    first_date: str | None
    last_date: str | None
    dirt: Mapping[str, int] = field(default_factory=dict)


def generate_all(
    settings: Settings, day: date, *, history_days: int, on_step: OnStep, entities: bool = True
) -> Sent:
    """Send the world up to `day`: on its first run with users, movies and the days before.

    With each day go the users and movies who are new on it.

    The world is that of `settings.simulation_seed`, `…_users` and `…_movies`. A later day brings
    the days since the last one, at most `history_days` before it; a day already sent is sent
    again, with the same ids. The record of how far the world has come is written after the broker
    has confirmed everything, so a run that was killed is repeated as a whole.

    Args:
        settings: the process's settings.
        day: the newest day (UTC) to send.
        history_days: days sent before `day`.
        on_step: told of each part once it is confirmed.
        entities: whether users and movies are sent where they haven't been.

    Raises:
        NotReadyError: the broker is away, or didn't confirm a message.
    """
    world = _world(settings)
    days_of = DirtyDays(world, Dirt.parse(settings.simulation_dirt))
    scope = _scope(world)
    record = progress.last_record(settings, scope)
    days = days_to_send(day, history_days, record)
    with_entities = entities and not (record and record["entities"])
    sink = sink_for(settings)
    total = len(days) + 2 * with_entities
    sent: dict[str, int] = {}
    dirt: Counter[str] = Counter()
    number = 0
    if with_entities:
        for topic, make in (("users", user_events), ("movies", movie_events)):
            number += 1
            sent[topic] = send_table(sink, topic, make(world, days[0]))
            on_step(Step(topic, sent[topic], number, total))
    for chosen in days:
        number += 1
        if entities and not (with_entities and chosen == days[0]):
            for topic, new in (("users", user_arrivals), ("movies", movie_arrivals)):
                if (arrived := new(world, chosen)).num_rows:
                    sent[topic] = sent.get(topic, 0) + send_table(sink, topic, arrived)
        dirty = days_of.day(chosen)
        sink.send(dirty.messages)
        dirt.update(dirty.dirt)
        sent["interactions"] = sent.get("interactions", 0) + len(dirty.messages)
        on_step(Step(f"interactions {chosen}", len(dirty.messages), number, total))
    progress.write_record(settings, sink, _record(scope, days, record, entities=with_entities))
    return Sent(sent, str(days[0]), str(days[-1]), dict(dirt))


def generate_entities(settings: Settings, topic: str, day: date, *, on_step: OnStep) -> Sent:
    """Send the upserts of every user (`topic` users) or movie (movies) of `day`; records nothing.

    Raises:
        NotReadyError: the broker is away, or didn't confirm a message.
    """
    world = _world(settings)
    make = user_events if topic == "users" else movie_events
    table = make(world, day)
    count = send_table(sink_for(settings), topic, table)
    on_step(Step(topic, count, 1, 1))
    return Sent({topic: count}, None, None)


def days_to_send(day: date, history_days: int, record: progress.Record | None) -> Sequence[date]:
    """The days of a run for `day`, ascending, never empty.

    >>> [str(day) for day in days_to_send(date(2026, 1, 3), 1, None)]
    ['2026-01-02', '2026-01-03']
    """
    first = day - timedelta(days=history_days)
    if record is not None:
        following = date.fromisoformat(record["last_date"]) + timedelta(days=1)
        first = min(max(first, following), day)
    return [first + timedelta(days=n) for n in range((day - first).days + 1)]


def _scope(world: World) -> progress.Record:
    seed, users, movies = world.scope
    return {"source": "synthetic", "seed": seed, "users": users, "movies": movies}


def _record(
    scope: progress.Record,
    days: Sequence[date],
    before: progress.Record | None,
    *,
    entities: bool,
) -> progress.Record:
    first, last = str(days[0]), str(days[-1])
    if before is not None:
        first, last = min(first, before["first_date"]), max(last, before["last_date"])
        entities = entities or before["entities"]
    return {**scope, "first_date": first, "last_date": last, "entities": entities}


def _world(settings: Settings) -> World:
    return make_world(
        settings.simulation_seed, settings.simulation_users, settings.simulation_movies
    )


def sink_for(settings: Settings) -> Sink:
    """A sink whose topics exist."""
    kafka.ensure_topics(settings, dict.fromkeys(events.CONTRACTS, events.PARTITIONS))
    progress.ensure_topic(settings)
    return Sink(settings)


def send_table(sink: Sink, topic: str, table: pa.Table) -> int:
    """Send the events of `table`; their number once the broker has confirmed them all."""
    messages = encode(topic, table)
    sink.send(messages)
    return len(messages)
