"""Which day a run is about, from Airflow's DAG run; all dates are UTC.

A run triggered by hand has no logical date; then the instant at which it was due counts. Two runs
on one date are the same run: a manual one at 15:00 learns from nothing newer than the nightly one.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol


class DagRun(Protocol):
    """What is read of Airflow's DAG run."""

    logical_date: Any
    run_after: Any


def run_instant(dag_run: DagRun) -> datetime:
    """The run's execution date: its logical date, or when it was due if it was run by hand."""
    instant: datetime = dag_run.logical_date or dag_run.run_after
    return instant.astimezone(UTC)


def run_date(dag_run: DagRun) -> date:
    """The UTC day of the run; Sunday's run trains."""
    return run_instant(dag_run).date()


def as_of(dag_run: DagRun) -> datetime:
    """Midnight UTC at the start of the run's day: only events before it count."""
    return datetime.combine(run_date(dag_run), time(), tzinfo=UTC)


def event_date(dag_run: DagRun) -> date:
    """The newest day that the run learns from: the last complete one before it."""
    return run_date(dag_run) - timedelta(days=1)
