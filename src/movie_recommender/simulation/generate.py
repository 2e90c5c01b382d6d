"""The order of things of the synthetic world: which topics and days a run sends."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa

from movie_recommender import events, kafka
from movie_recommender.ahead import ahead
from movie_recommender.settings import Settings
from movie_recommender.simulation import progress
from movie_recommender.simulation.day import (
    movie_arrivals,
    movie_events,
    user_arrivals,
    user_events,
)
from movie_recommender.simulation.dirt import Dirt
from movie_recommender.simulation.encode import Messages, encode
from movie_recommender.simulation.sending import DirtyDays
from movie_recommender.simulation.sink import Sink
from movie_recommender.simulation.world import World, make_world

_PARTS_AHEAD = 2


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
    again, with the same ids. After each day that the broker has confirmed whole, a record of how
    far the world has come is written; so a run that was killed goes on with the day it was at.

    Args:
        settings: the process's settings.
        day: the newest day (UTC) to send.
        history_days: days sent before `day`.
        on_step: told of each part once it is confirmed.
        entities: whether users and movies are sent where they haven't been.

    Raises:
        NotReadyError: the broker is away, or didn't confirm a message.
        StorageError: no room for a day's events in the temporary directory.
    """
    world = world_of(settings)
    days_of = DirtyDays(world, Dirt.parse(settings.simulation_dirt))
    scope = _scope(world)
    record = progress.last_record(settings, scope)
    days = days_to_send(day, history_days, record)
    everybody = entities and not (record and record["entities"])
    sink = sink_for(settings)
    sent: Counter[str] = Counter()
    dirt: Counter[str] = Counter()
    tables = _tables(days_of, days, dirt, entities=entities, everybody=everybody)
    before = 0
    with (
        ahead(tables, _PARTS_AHEAD) as made,
        ahead((_encoded(days_of, part, dirt) for part in made), _PARTS_AHEAD) as parts,
    ):
        for part in parts:
            if isinstance(part, Messages):
                sink.put(part)
                sent[part.topic] += len(part)
                continue
            sink.confirm()
            record = _record(scope, part, days, record, entities=everybody)
            progress.write_record(sink, record)
            n = sent["interactions"] - before
            before += n
            on_step(Step(f"interactions {part}", n, days.index(part) + 1, len(days)))
    return Sent(dict(sent), str(days[0]), str(days[-1]), dict(dirt))


@dataclass(frozen=True)
class _Part:
    """Events that are sent together; `number` counts a day's parts of a topic."""

    topic: str
    day: date
    number: int
    table: pa.Table


def _tables(
    days_of: DirtyDays, days: Sequence[date], dirt: Counter[str], *, entities: bool, everybody: bool
) -> Iterator[_Part | date]:
    """What is to be sent, and after the last part of each day that day."""
    for day in days:
        if entities:
            all_of_them = everybody and day == days[0]
            for topic, table in entities_of_day(days_of.world, day, everybody=all_of_them):
                if table.num_rows:
                    yield _Part(topic, day, 0, table)
        for number, table in enumerate(days_of.tables(day, dirt)):
            yield _Part("interactions", day, number, table)
        yield day


def _encoded(days_of: DirtyDays, part: _Part | date, dirt: Counter[str]) -> Messages | date:
    if isinstance(part, date):
        return part
    if part.topic == "interactions":
        return days_of.messages(part.day, part.number, part.table, dirt)
    return encode(part.topic, part.table)


def entities_of_day(world: World, day: date, *, everybody: bool) -> Iterator[tuple[str, pa.Table]]:
    """Upserts by topic: of who is new on `day`, or of everybody who is there."""
    yield "users", user_events(world, day) if everybody else user_arrivals(world, day)
    yield "movies", movie_events(world, day) if everybody else movie_arrivals(world, day)


def generate_entities(settings: Settings, topic: str, day: date, *, on_step: OnStep) -> Sent:
    """Send the upserts of every user (`topic` users) or movie (movies) of `day`; records nothing.

    Raises:
        NotReadyError: the broker is away, or didn't confirm a message.
    """
    world = world_of(settings)
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
    reached: date,
    days: Sequence[date],
    before: progress.Record | None,
    *,
    entities: bool,
) -> progress.Record:
    first, last = str(days[0]), str(reached)
    if before is not None:
        first, last = min(first, before["first_date"]), max(last, before["last_date"])
        entities = entities or before["entities"]
    return {**scope, "first_date": first, "last_date": last, "entities": entities}


def world_of(settings: Settings) -> World:
    """The world that the settings name."""
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
