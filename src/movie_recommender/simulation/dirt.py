"""What goes wrong on the way to Kafka, at set rates, and what broken messages look like."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np

from movie_recommender.errors import ConfigurationError
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.ids import event_ids

MAX_DELAY_DAYS = 3
"""A late event is sent at most so many days after its own."""

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


def soil(
    messages: Messages,
    dirt: Dirt,
    scope: tuple[object, ...],
    rng: np.random.Generator,
    counts: Counter[str],
) -> Messages:
    """`messages` with broken ones and ones of unknown ids among them.

    Args:
        messages: clean ones.
        dirt: the rates.
        scope: names these messages and no others; the added ones' ids follow from it.
        rng: source of chance.
        counts: gets the number of added messages by the names of `Dirt`.
    """
    added: list[tuple[int, bytes, bytes]] = []
    n = len(messages)
    for kind, change in _ADD.items():
        bases = rng.integers(n, size=rng.binomial(n, getattr(dirt, kind))) if n else []
        ids = event_ids(len(bases), *scope, kind).to_pylist()
        counts[kind] += len(bases)
        for base, event_id in zip(bases, ids, strict=True):
            event = {**json.loads(messages.values[base]), "event_id": event_id}
            changed = change(event, rng)
            value = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
            added.append((int(base), messages.keys[base], value))
    keys, values, start = [], [], 0
    for base, key, value in sorted(added, key=lambda one: one[0]):
        keys += [*messages.keys[start:base], key]
        values += [*messages.values[start:base], value]
        start = base
    return Messages(messages.topic, keys + messages.keys[start:], values + messages.values[start:])


Event = dict[str, object]
_Change = Callable[[Event, np.random.Generator], Event | bytes]


def _malformed(event: Event, rng: np.random.Generator) -> bytes:
    text = json.dumps(event)
    cut = text[: int(rng.integers(1, len(text)))]
    ways = (cut, text[:-1] + ",}", text + "}", text.replace('"', "'"))
    return ways[rng.integers(len(ways))].encode()


def _invalid_utf8(event: Event, rng: np.random.Generator) -> bytes:
    value = bytearray(json.dumps(event).encode())
    value[int(rng.integers(len(value)))] = 0xFF
    return bytes(value)


def _wrong_type(event: Event, rng: np.random.Generator) -> Event:
    changes: list[Event] = [
        {"user_id": str(event["user_id"])},
        {"event_id": 7},
        {"event_time": 1_700_000_000},
        {"session_id": ["a"]},
    ]
    return {**event, **changes[rng.integers(len(changes))]}


def _huge(event: Event, rng: np.random.Generator) -> Event:
    changes: list[Event] = [
        {"user_id": 2**70},
        {"rating": 1e308},
        {"event_id": "x" * 1000},
        {"query": "x" * _HUGE_QUERY_CHARACTERS},
    ]
    return {**event, **changes[rng.integers(len(changes))]}


def _future(event: Event, _rng: np.random.Generator) -> Event:
    time = datetime.fromisoformat(str(event["event_time"])) + _FUTURE
    return {**event, "event_time": time.isoformat().replace("+00:00", "Z")}


def _unknown_ids(event: Event, rng: np.random.Generator) -> Event:
    unknown = {name: _UNKNOWN + int(rng.integers(1000)) for name in ("user_id", "movie_id")}
    return {**event, **{name: unknown[name] for name in unknown if name in event}}


_ADD: dict[str, _Change] = {
    "malformed": _malformed,
    "invalid_utf8": _invalid_utf8,
    "wrong_type": _wrong_type,
    "huge": _huge,
    "future": _future,
    "unknown_ids": _unknown_ids,
}


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
