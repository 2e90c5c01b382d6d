"""Which days a model is judged on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """The newest events, [start, end)."""

    start: datetime
    end: datetime


def newest_window(frame: pa.Table, *, end: datetime, days: int, min_users: int) -> Window:
    """The last `days` before `end`, widened backwards until `min_users` have a positive in it.

    It never takes more than the newest half of the positives, so that something is left to learn
    from; a short history makes it shorter than `days`. It begins at midnight where it can.
    """
    positives = frame.filter(pc.equal(frame["label"], 1)).sort_by("event_time")
    start = end - timedelta(days=days)
    half = positives.num_rows // 2
    if half == 0:
        return Window(start, end)
    newest_first = positives["user_id"].to_numpy()[::-1]
    _, first_seen = np.unique(newest_first, return_index=True)
    needed = int(np.sort(first_seen)[min(min_users, len(first_seen)) - 1])
    widened = _midnight(positives["event_time"][positives.num_rows - 1 - needed].as_py())
    earliest: datetime = positives["event_time"][positives.num_rows - half].as_py()
    next_midnight = _midnight(earliest - _MICROSECOND) + timedelta(days=1)
    if next_midnight < end:
        earliest = next_midnight
    return Window(max(min(start, widened), earliest), end)


def _midnight(instant: datetime) -> datetime:
    """The start of the instant's day."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
