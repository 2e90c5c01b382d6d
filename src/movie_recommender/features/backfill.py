"""The snapshots of past days, one after the other."""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from movie_recommender.errors import ConfigurationError, InputDataError, NotReadyError, StorageError
from movie_recommender.features import history, planning
from movie_recommender.features.run import run
from movie_recommender.lake import LakeChanges
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BackfilledDay:
    """One day's snapshot.

    Attributes:
        day: the last one whose events count; as_of is the midnight after it.
        snapshot_id: what the registry calls it.
        reused: it had been published already.
        increment: it was added to the one before; False: built whole, or `reused`.
        warnings: of the quality rules, a sentence each; none where `reused`.
    """

    day: str
    snapshot_id: str
    reused: bool
    increment: bool
    warnings: list[str]


@dataclass(frozen=True)
class BackfillResult:
    """All days in order, from the lake at `lake_versions`; `published`: the snapshot in use now."""

    lake_versions: dict[str, int]
    days: list[BackfilledDay]
    published: str


def backfill(
    settings: Settings,
    *,
    first: date,
    last: date,
    memory_limit: str = "2GB",
    threads: int | None = None,
) -> BackfillResult:
    """Publish the snapshot of each day from `first` to `last`, in order, late events included.

    Reads the lake as it is at the beginning, for all days alike. Each day is one `run`, with one
    rename; killed anywhere, it goes on with the first day whose snapshot isn't in the published
    registry, if the lake is still the same. If it isn't, the days are other snapshots and begin
    anew. A day before the published one is built whole. In the end the last day that was built is
    the published one, even where a later one was before.

    These are the features only; Airflow's own backfill does it for the whole DAG, whose run of a
    date is about the day before.

    Args:
        settings: lake and store paths.
        first: the first UTC day.
        last: the last one, included.
        memory_limit: what DuckDB may take; beyond it, intermediate tables go to disk.
        threads: of DuckDB; None: one for each core.

    Raises:
        ConfigurationError: `last` is before `first`; or as `run` raises it.
        ConcurrentWriteError, InputDataError, StorageError: as `run`; the days before are published.
    """
    if last < first:
        message = (
            f"--from {first} is after --to {last}, expected the first day and the last one. "
            "Exchange them and run again."
        )
        raise ConfigurationError(message)
    lake = LakeChanges(settings.data_lake_path)
    versions = lake.versions()
    logger.info("features backfill start from=%s to=%s", first, last)
    days = []
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        as_of = datetime.combine(day, time(), tzinfo=UTC) + _DAY
        planned = planning.plan(
            lake,
            as_of=as_of,
            lake_versions=versions,
            on_time_until=settings.history_loaded_until,
        )
        # The newest is left to `run`, which looks whether the file is whole.
        if planned.id in _registry(settings)[1:]:
            days.append(BackfilledDay(str(day), planned.id, True, False, []))
            continue
        result = run(
            settings,
            as_of=as_of,
            lake_versions=versions,
            memory_limit=memory_limit,
            threads=threads,
        )
        warnings = [] if result.reused else result.warnings
        days.append(
            BackfilledDay(str(day), result.snapshot_id, result.reused, result.increment, warnings)
        )
    logger.info("features backfill end days=%d", len(days))
    return BackfillResult(versions, days, _registry(settings)[0])


def _registry(settings: Settings) -> list[str]:
    """Ids, newest first; none where `run` begins a registry."""
    try:
        return [snapshot.id for snapshot in history.published(settings.feature_store_path)]
    except StorageError:  # a NotReadyError too, but there is a file
        raise
    except (NotReadyError, InputDataError):
        return []
