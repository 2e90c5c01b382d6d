from datetime import date, timedelta

import numpy as np
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.simulation.presence import FIRST_DAY, Slots, days_since_1970

DAY = date(2026, 2, 20)
YEAR = [DAY + timedelta(days=n) for n in range(365)]


@pytest.fixture(scope="module")
def slots() -> Slots:
    return Slots(3000, (7, "users"), shortest=60, longest=146)


def test_as_many_as_ever_are_present_each_once(slots: Slots) -> None:
    for day in (FIRST_DAY, date(2000, 2, 29), *YEAR[::30]):
        ids = slots.present(day).ids
        assert len(np.unique(ids)) == len(ids) == slots.n
        assert ids.min() > 0


def test_those_of_a_day_are_those_of_the_day_before_with_arrivals_in_the_place_of_leavers(
    slots: Slots,
) -> None:
    gone: set[int] = set()
    before = set(slots.present(YEAR[0]).ids.tolist())
    for day in YEAR[1:]:
        now = set(slots.present(day).ids.tolist())
        assert now - before == set(slots.arrivals(day).ids.tolist())
        gone |= before - now
        assert not now & gone, "an id came back"
        before = now


def test_one_in_a_thousand_is_new_a_day_and_more_on_a_months_first(slots: Slots) -> None:
    new = np.array([len(slots.arrivals(day).ids) for day in YEAR])
    first = np.array([day.day == 1 for day in YEAR])
    assert 0.0007 < new[~first].mean() / slots.n < 0.0013
    assert 0.01 < new[first].mean() / slots.n < 0.02


def test_all_who_are_present_joined_on_few_dates_of_the_last_years(slots: Slots) -> None:
    joined = slots.present(DAY).joined
    assert len(np.unique(joined)) <= 146 + 60
    age = days_since_1970(DAY) - joined
    assert age.min() >= 0
    assert age.max() < 5 * 366
    assert slots.present(FIRST_DAY).joined.min() >= 0


def test_an_id_says_when_its_holder_joined(slots: Slots) -> None:
    present = slots.present(DAY)
    assert (slots.joined(present.ids[::-1]) == present.joined[::-1]).all()


def test_some_slots_are_as_they_are_among_all(slots: Slots) -> None:
    some = np.array([2999, 5, 17])
    assert (slots.present(DAY, some).ids == slots.present(DAY).ids[some]).all()


def test_a_day_before_the_first_is_refused(slots: Slots) -> None:
    with pytest.raises(InputDataError, match=r"1979-12-31.*1980-01-01"):
        slots.present(FIRST_DAY - timedelta(days=1))
