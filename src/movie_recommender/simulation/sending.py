"""The messages of a day as they are sent: its events, late ones of days before, and dirt."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.simulation.day import interactions_of_day
from movie_recommender.simulation.dirt import MAX_DELAY_DAYS, Dirt, soil
from movie_recommender.simulation.encode import Messages, encode
from movie_recommender.simulation.merge import merged
from movie_recommender.simulation.world import World

_JITTER_MESSAGES = 5000
_SENT = "sent_at"


class DirtyDays:
    """The days of a world with dirt on them.

    Every real event is sent once at least, so the truth is known: the lake must hold the clean
    events that have arrived and those of unknown ids; the dead letters hold the broken messages.
    All of it is a pure function of the world, the day and the rates.

    Args:
        world: what happens.
        dirt: what goes wrong.
    """

    def __init__(self, world: World, dirt: Dirt) -> None:
        self.world = world
        self._dirt = dirt
        self._late: dict[date, list[pa.Table]] = {}

    def tables(self, day: date, counts: Counter[str]) -> Iterator[pa.Table]:
        """The events that are sent on `day`, in parts and in the order of sending.

        `counts` gets what is disturbed about them, by the names of `Dirt`; `late` counts the events
        that arrive with this day.
        """
        return self._disordered(self._sent(day, counts), self._rng(day, "sending"), counts)

    def messages(self, day: date, number: int, table: pa.Table, counts: Counter[str]) -> Messages:
        """Part `number` of `tables(day)` with broken messages among its own; `counts` gets them."""
        scope = (*self.world.scope, day, number)
        rng = np.random.default_rng([*self.world.scope, day.toordinal(), number, *b"broken"])
        return soil(encode("interactions", table), self._dirt, scope, rng, counts)

    def _sent(self, day: date, counts: Counter[str]) -> Iterator[pa.Table]:
        """The day's own events and late ones, as nobody has disturbed their order."""

        def runs() -> Iterator[pa.Table]:
            yield from self._on_time(day)
            for days in self._delays:
                late = self._late_of(day - timedelta(days=days))[days - 1]
                counts["late"] += late.num_rows
                yield _sent_at(late.sort_by("event_time"), timedelta(days=days))

        for table in merged(runs(), _SENT):
            yield table.drop_columns(_SENT)

    @property
    def _delays(self) -> range:
        return range(1, MAX_DELAY_DAYS + 1) if self._dirt.late else range(0)

    def _rng(self, day: date, what: str) -> np.random.Generator:
        return np.random.default_rng([*self.world.scope, day.toordinal(), *what.encode()])

    def _on_time(self, day: date) -> Iterator[pa.Table]:
        """The day's own events that are sent on it, by block; the others are kept for later."""
        rng = self._rng(day, "late")
        late: list[list[pa.Table]] = [[] for _ in self._delays]
        for block in interactions_of_day(self.world, day):
            delay = rng.integers(1, MAX_DELAY_DAYS + 1, block.num_rows)
            delay[rng.random(block.num_rows) >= self._dirt.late] = 0
            for days in self._delays:
                late[days - 1].append(block.filter(pa.array(delay == days)))
            yield _sent_at(block.filter(pa.array(delay == 0)), timedelta(0))
        self._late[day] = [pa.concat_tables(blocks) for blocks in late]
        for old in [kept for kept in self._late if abs((day - kept).days) > MAX_DELAY_DAYS]:
            del self._late[old]

    def _late_of(self, day: date) -> list[pa.Table]:
        """Events of `day` by how many days they are late, from 1."""
        if day not in self._late:
            for _ in self._on_time(day):
                pass
        return self._late[day]

    def _disordered(
        self, tables: Iterator[pa.Table], rng: np.random.Generator, counts: Counter[str]
    ) -> Iterator[pa.Table]:
        """`tables` with rows sent again, and rows sent later than they should be."""
        reached = 0
        waiting, places = None, np.empty(0)
        for table in tables:
            n = table.num_rows
            place = reached + np.arange(n, dtype=np.float64)
            moved = rng.random(n) < self._dirt.out_of_order
            place[moved] += rng.uniform(1, _JITTER_MESSAGES, int(moved.sum()))
            doubled = np.flatnonzero(rng.random(n) < self._dirt.duplicates)
            again = place[doubled] + rng.uniform(1, _JITTER_MESSAGES, len(doubled))
            counts["out_of_order"] += int(moved.sum())
            counts["duplicates"] += len(doubled)
            before = len(places)
            rows = np.concatenate([np.arange(before + n), before + doubled])
            places = np.concatenate([places, place, again])
            pool = table if waiting is None else pa.concat_tables([waiting, table])
            reached += n
            order = np.argsort(places, kind="stable")
            n_now = int(np.searchsorted(places[order], reached))
            yield pool.take(pa.array(rows[order[:n_now]]))
            waiting = pool.take(pa.array(rows[order[n_now:]]))
            places = places[order[n_now:]]
        if waiting is not None and waiting.num_rows:
            yield waiting


def _sent_at(table: pa.Table, delay: timedelta) -> pa.Table:
    return table.append_column(_SENT, pc.add(table["event_time"], pa.scalar(delay)))
