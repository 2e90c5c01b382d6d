"""What goes wrong on the way to Kafka, at set rates: late, doubled, disordered, broken messages.

Every real event is sent once at least, so the truth is known: the lake must hold the clean events
that have arrived and those of unknown ids; the dead letters hold the broken messages. All of it is
a pure function of the world, the day and the rates.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from movie_recommender.errors import ConfigurationError
from movie_recommender.simulation.day import interactions_of_day
from movie_recommender.simulation.encode import Messages, encode
from movie_recommender.simulation.ids import event_ids
from movie_recommender.simulation.world import Ints, World

MAX_DELAY_DAYS = 3
"""A late event is sent at most so many days after its own."""

_JITTER_MESSAGES = 5000
_FUTURE = timedelta(days=400)
_HUGE_QUERY_CHARACTERS = 200_000
_UNKNOWN = 10**12


@dataclass(frozen=True)
class Dirt:
    """Rates, each a share of a day's interactions.

    Attributes:
        duplicates: sent a second time somewhat later.
        late: sent one to three days after they happened.
        out_of_order: sent after some thousand messages that are newer.
        malformed: broken JSON, in addition.
        invalid_utf8: bytes that are no text, in addition.
        wrong_type: a number as text, a text as number, in addition.
        huge: numbers beyond their range, overlong text, in addition.
        future: an event time that is more than a year ahead, in addition.
        unknown_ids: valid events of users and movies that nobody knows, in addition.
    """

    duplicates: float = 0.005
    late: float = 0.005
    out_of_order: float = 0.01
    malformed: float = 0.0002
    invalid_utf8: float = 0.0001
    wrong_type: float = 0.0002
    huge: float = 0.0001
    future: float = 0.0001
    unknown_ids: float = 0.0002

    @classmethod
    def parse(cls, text: str) -> "Dirt":
        """Rates from `default`, `none` or `name=rate,…` (the others are then 0).

        Raises:
            ConfigurationError: a name or a rate is wrong.

        >>> Dirt.parse("late=0.5").late
        0.5
        """
        if text == "default":
            return cls()
        nothing = dict.fromkeys((field.name for field in fields(cls)), 0.0)
        if text == "none":
            return cls(**nothing)
        rates = {}
        for pair in text.split(","):
            name, _, rate = pair.partition("=")
            if name not in nothing or not _is_share(rate):
                message = (
                    f"SIMULATION_DIRT={text!r}: {pair!r} isn't a rate. Expected 'default', 'none' "
                    f"or NAME=RATE,… with rates from 0 to 1 and names of {', '.join(nothing)}."
                )
                raise ConfigurationError(message)
            rates[name] = float(rate)
        return cls(**{**nothing, **rates})


NONE = Dirt.parse("none")


@dataclass(frozen=True)
class Day:
    """The messages of a day as they are sent, and how many of each kind of dirt are among them.

    `dirt` counts by the names of `Dirt`; `late` are those that arrive with this day.
    """

    messages: Messages
    dirt: dict[str, int]

    @property
    def invalid(self) -> int:
        """Messages that must become dead letters."""
        return sum(self.dirt[name] for name in _BREAK)


class DirtyDays:
    """The days of a world with dirt on them.

    Args:
        world: what happens.
        dirt: what goes wrong.
    """

    def __init__(self, world: World, dirt: Dirt) -> None:
        self._world = world
        self._dirt = dirt
        self._late: dict[date, list[pa.Table]] = {}

    def day(self, day: date) -> Day:
        """The messages that are sent on `day`: its own events and late ones of days before."""
        arrived = self._arrived(day)
        late = [self._late_of(day - timedelta(days=n))[n - 1] for n in self._delays()]
        table = pa.concat_tables([arrived, *late])
        rng = self._rng(day, "order")
        order, doubled, moved = self._order(table.num_rows, rng)
        messages = encode("interactions", table.take(pa.array(order)))
        counts = {
            "duplicates": doubled,
            "late": table.num_rows - arrived.num_rows,
            "out_of_order": moved,
        }
        return self._with_broken(day, messages, counts)

    def _delays(self) -> range:
        return range(1, MAX_DELAY_DAYS + 1) if self._dirt.late else range(0)

    def _rng(self, day: date, what: str) -> np.random.Generator:
        return np.random.default_rng([*self._world.scope, day.toordinal(), *what.encode()])

    def _arrived(self, day: date) -> pa.Table:
        """The day's own events that are sent on it; those that aren't are kept for later."""
        blocks = list(interactions_of_day(self._world, day))
        table = pa.concat_tables(blocks)
        if len(blocks) > 1:
            table = table.sort_by("event_time")
        if not self._dirt.late:
            return table
        rng = self._rng(day, "late")
        delay = rng.integers(1, MAX_DELAY_DAYS + 1, table.num_rows)
        delay[rng.random(table.num_rows) >= self._dirt.late] = 0
        self._late[day] = [table.filter(pa.array(delay == n)) for n in self._delays()]
        for old in [kept for kept in self._late if abs((day - kept).days) > MAX_DELAY_DAYS]:
            del self._late[old]
        return table.filter(pa.array(delay == 0))

    def _late_of(self, day: date) -> list[pa.Table]:
        """Events of `day` by how many days they are late, from 1."""
        if day not in self._late:
            self._arrived(day)
        return self._late[day]

    def _order(self, n: int, rng: np.random.Generator) -> tuple[Ints, int, int]:
        """Rows in the order of sending; how many are there twice, how many later than they should.

        Late events come among the others, wherever chance puts them.
        """
        place = np.arange(n, dtype=np.float64)
        moved = rng.random(n) < self._dirt.out_of_order
        place[moved] += rng.uniform(1, _JITTER_MESSAGES, int(moved.sum()))
        doubled = np.flatnonzero(rng.random(n) < self._dirt.duplicates)
        again = place[doubled] + rng.uniform(1, _JITTER_MESSAGES, len(doubled))
        rows = np.concatenate([np.arange(n), doubled])
        order = rows[np.argsort(np.concatenate([place, again]), kind="stable")]
        return order, len(doubled), int(moved.sum())

    def _with_broken(self, day: date, messages: Messages, counts: dict[str, int]) -> Day:
        """`messages` with the additional ones among them."""
        rng = self._rng(day, "broken")
        rates = asdict(self._dirt)
        added: list[tuple[int, str, str | bytes]] = []
        n = len(messages)
        for kind, change in _ADD.items():
            bases = rng.integers(n, size=rng.binomial(n, rates[kind])) if n else []
            ids = event_ids(len(bases), *self._world.scope, day, kind).to_pylist()
            counts[kind] = len(bases)
            for base, event_id in zip(bases, ids, strict=True):
                event = {**json.loads(messages.values[base]), "event_id": event_id}
                added.append((int(base), messages.keys[base], change(event, rng)))
        keys, values, start = [], [], 0
        for base, key, value in sorted(added, key=lambda one: one[0]):
            keys += [*messages.keys[start:base], key]
            values += [*messages.values[start:base], value]
            start = base
        keys += messages.keys[start:]
        values += messages.values[start:]
        return Day(Messages(messages.topic, keys, values), counts)


Event = dict[str, object]
_Change = Callable[[Event, np.random.Generator], str | bytes]


def _malformed(event: Event, rng: np.random.Generator) -> str:
    text = json.dumps(event)
    cut = text[: int(rng.integers(1, len(text)))]
    return (cut, text[:-1] + ",}", text + "}", text.replace('"', "'"))[rng.integers(4)]


def _invalid_utf8(event: Event, rng: np.random.Generator) -> bytes:
    value = bytearray(json.dumps(event).encode())
    value[int(rng.integers(len(value)))] = 0xFF
    return bytes(value)


def _wrong_type(event: Event, rng: np.random.Generator) -> str:
    changes: list[Event] = [
        {"user_id": str(event["user_id"])},
        {"event_id": 7},
        {"event_time": 1_700_000_000},
        {"session_id": ["a"]},
    ]
    return json.dumps({**event, **changes[rng.integers(len(changes))]})


def _huge(event: Event, rng: np.random.Generator) -> str:
    changes: list[Event] = [
        {"user_id": 2**70},
        {"rating": 1e308},
        {"event_id": "x" * 1000},
        {"query": "x" * _HUGE_QUERY_CHARACTERS},
    ]
    return json.dumps({**event, **changes[rng.integers(len(changes))]})


def _future(event: Event, _rng: np.random.Generator) -> str:
    time = datetime.fromisoformat(str(event["event_time"])) + _FUTURE
    return json.dumps({**event, "event_time": time.isoformat().replace("+00:00", "Z")})


def _unknown_ids(event: Event, rng: np.random.Generator) -> str:
    unknown = {name: _UNKNOWN + int(rng.integers(1000)) for name in ("user_id", "movie_id")}
    return json.dumps({**event, **{name: unknown[name] for name in unknown if name in event}})


_BREAK: dict[str, _Change] = {
    "malformed": _malformed,
    "invalid_utf8": _invalid_utf8,
    "wrong_type": _wrong_type,
    "huge": _huge,
    "future": _future,
}
_ADD: dict[str, _Change] = {**_BREAK, "unknown_ids": _unknown_ids}


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
