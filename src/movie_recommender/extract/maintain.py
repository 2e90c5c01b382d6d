"""Care for the lake's files: many small ones of a day become one, old versions' files go.

Rows stay as they are, and so do the offsets that the commits carry. A commit of the care and one of
an extraction don't get in each other's way; of two cares at once, one gives way.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from movie_recommender.errors import ConcurrentWriteError
from movie_recommender.lake import DEAD_LETTERS, TABLES, LakeCare
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

MANY_FILES = 8
"""A day with as many is worth rewriting: what a day's extraction adds and a week of late events."""

ORDER = {
    "users": ["user_id"],
    "movies": ["movie_id"],
    "interactions": ["user_id", "event_time"],
    DEAD_LETTERS: ["kafka_topic", "kafka_partition", "kafka_offset"],
}
"""By what a day's rows are ordered when they are rewritten, so that one entity's lie together."""


@dataclass(frozen=True)
class MaintenanceResult:
    """What one call did.

    Attributes:
        compacted: days rewritten, by table.
        files_removed: files that the newest versions no longer need.
        files_added: files in their place.
        files_deleted: files deleted because no version of the retention needs them.
        days_left: days that the time budget left to the next call.
        seconds: time taken.
    """

    compacted: dict[str, list[str]]
    files_removed: int
    files_added: int
    files_deleted: int
    days_left: int
    seconds: float


def maintain(settings: Settings, *, budget_s: float) -> MaintenanceResult:
    """Rewrite days that lie in many files, the fullest first, and delete what nobody can read.

    Args:
        settings: the process's settings; files are kept for `LAKE_RETENTION_DAYS`.
        budget_s: no new day is begun after so many seconds.

    Raises:
        StorageError: the lake refuses to be read or written; it stays readable.
    """
    started = time.monotonic()
    lake = LakeCare(settings.data_lake_path)
    compacted: dict[str, list[str]] = {}
    removed = added = left = 0
    for table, day in _worthwhile(lake):
        if time.monotonic() - started >= budget_s:
            left += 1
            continue
        try:
            gone, new = lake.rewrite(table, day, order_by=ORDER[table])
        except ConcurrentWriteError:
            logger.info("maintain table=%s day=%s: somebody else does it", table, day)
            continue
        compacted.setdefault(table, []).append(str(day))
        removed, added = removed + gone, added + new
    keep = timedelta(days=settings.lake_retention_days)
    deleted = sum(lake.vacuum(table, keep) for table in TABLES) if compacted else 0
    seconds = time.monotonic() - started
    result = MaintenanceResult(compacted, removed, added, deleted, left, round(seconds, 3))
    logger.info("maintain %s", result)
    return result


def _worthwhile(lake: LakeCare) -> Iterator[tuple[str, date]]:
    counts = [
        (files, table, day)
        for table in TABLES
        for day, files in lake.files_by_date(table).items()
        if files >= MANY_FILES
    ]
    for _, table, day in sorted(counts, reverse=True):
        yield table, day
