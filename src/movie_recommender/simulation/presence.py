"""Who is there on which day: slots that one after the other are taken by somebody new.

There are as many slots as users (or movies) are present at any time. A slot's holder is
(generation, slot), so an id says by itself where it belongs and since when: nothing is remembered
from one day to the next.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from movie_recommender.errors import InputDataError
from movie_recommender.simulation.ids import Ints, uniforms

FIRST_DAY = date(1980, 1, 1)
"""From here on everybody has joined after 1970, as extraction asks of an event's time."""

_EPOCH = date(1970, 1, 1)
_GUESTS = 0.1
_STAY_MONTHS = 60


@dataclass(frozen=True)
class Present:
    """Who holds some slots on a day, (N,) each.

    Attributes:
        ids: positive int64, never given to another holder.
        joined: days from 1970-01-01 to the holder's first day.
    """

    ids: Ints
    joined: Ints


@dataclass(frozen=True)
class Slots:
    """`n` slots, always taken.

    One slot in ten belongs to guests, who come on any day and stay for some `shortest` to `longest`
    days. The others' holders come on the first of a month and stay for five years: so few dates
    have all who are present joined on, and the lake keeps their records by date.

    Attributes:
        n: number of slots.
        scope: what names the world, and these slots in it.
        shortest: fewest days that a guest stays.
        longest: most days that a guest stays.
    """

    n: int
    scope: tuple[object, ...]
    shortest: int
    longest: int

    def present(self, day: date, slots: Ints | None = None) -> Present:
        """Who holds `slots` (all by default) on `day`, in the order of the slots.

        Raises:
            InputDataError: the day lies before `FIRST_DAY`.
        """
        if day < FIRST_DAY:
            message = (
                f"Day {day} of the synthetic world: it begins on {FIRST_DAY}. Name a later day."
            )
            raise InputDataError(message)
        slots = np.arange(self.n) if slots is None else slots
        guest, stay, phase = self._rhythm(slots)
        now = np.where(guest, days_since_1970(day), _months_since_1970(day))
        generation = (now + phase) // stay
        return Present(1 + generation * self.n + slots, _joined(generation, guest, stay, phase))

    def arrivals(self, day: date) -> Present:
        """Those of the present whose first day `day` is."""
        present = self.present(day)
        new = present.joined == days_since_1970(day)
        return Present(present.ids[new], present.joined[new])

    def joined(self, ids: Ints) -> Ints:
        """(N,) days from 1970-01-01 to the first day of each id."""
        generation, slots = np.divmod(ids - 1, self.n)
        return _joined(generation, *self._rhythm(slots))

    def _rhythm(self, slots: Ints) -> tuple[npt.NDArray[np.bool_], Ints, Ints]:
        """Whether a slot is the guests', and how long each stays; in days, else in months."""
        chance = uniforms(slots, 3, *self.scope, "slots")
        guest = chance[:, 0] < _GUESTS
        days = self.shortest + (chance[:, 1] * (self.longest + 1 - self.shortest)).astype(np.int64)
        stay = np.where(guest, days, _STAY_MONTHS)
        return guest, stay, (chance[:, 2] * stay).astype(np.int64)


def days_since_1970(day: date) -> int:
    """Days from 1970-01-01 to `day`."""
    return (day - _EPOCH).days


def _months_since_1970(day: date) -> int:
    return (day.year - _EPOCH.year) * 12 + day.month - 1


def _joined(generation: Ints, guest: npt.NDArray[np.bool_], stay: Ints, phase: Ints) -> Ints:
    first = generation * stay - phase
    months = np.where(guest, 0, first).astype("datetime64[M]").astype("datetime64[D]")
    return np.where(guest, first, months.astype(np.int64))
