from datetime import UTC, date, datetime, time, timedelta, timezone
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from movie_recommender.orchestration import dates


def scheduled(instant: datetime) -> SimpleNamespace:
    return SimpleNamespace(logical_date=instant, run_after=instant)


def manual(instant: datetime) -> SimpleNamespace:
    return SimpleNamespace(logical_date=None, run_after=instant)


@pytest.mark.parametrize("run", [scheduled, manual])
def test_a_run_is_about_the_last_complete_day(run):
    dag_run = run(datetime(2025, 6, 4, 15, 30, tzinfo=UTC))
    assert dates.run_date(dag_run) == date(2025, 6, 4)
    assert dates.as_of(dag_run) == datetime(2025, 6, 4, tzinfo=UTC)
    assert dates.event_date(dag_run) == date(2025, 6, 3)


def test_the_day_is_the_utc_day():
    late_in_tokyo = datetime(2025, 6, 2, 8, 0, tzinfo=timezone(timedelta(hours=9)))
    assert dates.run_date(manual(late_in_tokyo)) == date(2025, 6, 1)
    assert dates.run_instant(manual(late_in_tokyo)).utcoffset() == timedelta(0)


def test_leap_day():
    nights = [datetime(2024, 2, 28, 2, tzinfo=UTC) + timedelta(days=n) for n in range(3)]
    assert [dates.event_date(scheduled(night)) for night in nights] == [
        date(2024, 2, 27),
        date(2024, 2, 28),
        date(2024, 2, 29),
    ]


@pytest.mark.parametrize("clocks_change", [date(2025, 3, 30), date(2025, 10, 26)])
def test_no_day_is_skipped_or_doubled_where_the_clocks_change(clocks_change):
    berlin = ZoneInfo("Europe/Berlin")
    days = [clocks_change + timedelta(days=n) for n in (-1, 0, 1, 2)]
    nights = [datetime.combine(day, time(4), tzinfo=berlin) for day in days]
    assert [dates.event_date(manual(night)) for night in nights] == [
        day - timedelta(days=1) for day in days
    ]
