"""Durations as people write them: `2h`, `90min`, `1 h 30 min`."""

import re
from datetime import timedelta

FORM = "days, hours and minutes, as in 2h, 90min or 1d 6h 30min"

_PARTS = re.compile(r"(?:(\d{1,6})\s*d)?\s*(?:(\d{1,6})\s*h)?\s*(?:(\d{1,6})\s*min)?")


def duration(text: str) -> timedelta:
    """What `text` means, be it typed by somebody or made by `in_words`.

    >>> duration("1h30min") == duration("90 min") == timedelta(minutes=90)
    True

    Raises:
        ValueError: it has another form.
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        message = f"expected {FORM}"
        raise ValueError(message)
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def in_words(length: timedelta) -> str:
    """`length` in hours and whole minutes.

    >>> in_words(timedelta(hours=2)), in_words(timedelta(minutes=65)), in_words(timedelta(0))
    ('2 h', '1 h 5 min', '0 min')
    """
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, *([f"{minutes} min"] if minutes or not hours else [])])
