from datetime import date

import pytest

from movie_recommender.simulation.generate import days_to_send

RECORD = {"first_date": "2026-01-01", "last_date": "2026-01-10"}


@pytest.mark.parametrize(
    ("day", "history_days", "record", "first"),
    [
        (date(2026, 1, 10), 0, None, date(2026, 1, 10)),
        (date(2026, 1, 10), 3, None, date(2026, 1, 7)),
        (date(2026, 1, 11), 30, RECORD, date(2026, 1, 11)),
        (date(2026, 1, 14), 30, RECORD, date(2026, 1, 11)),
        (date(2026, 3, 1), 3, RECORD, date(2026, 2, 26)),
        (date(2026, 1, 14), 0, RECORD, date(2026, 1, 14)),
        (date(2026, 1, 10), 30, RECORD, date(2026, 1, 10)),
        (date(2025, 12, 1), 30, RECORD, date(2025, 12, 1)),
    ],
)
def test_days_to_send(
    day: date, history_days: int, record: dict[str, str] | None, first: date
) -> None:
    days = days_to_send(day, history_days, record)
    assert (days[0], days[-1]) == (first, day)
    assert len(days) == (day - first).days + 1
