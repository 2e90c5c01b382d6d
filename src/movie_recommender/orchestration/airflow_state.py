"""What the watcher reads of and writes to Airflow's metadata database.

These are Airflow's ORM models, which are no public API: this module is all that a new Airflow
version can break. It is imported in the triggerer, and by the command line where it may look into
the database.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from airflow.models import DagRun, Log, TaskInstance, Variable
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.session import create_session
from sqlalchemy import ColumnElement, CursorResult, func, insert, literal, select

from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.sla import BegunTask, Late, OpenRun, queued_again

EVENT = "sla_miss"
"""The event's name in Airflow's audit log (`GET /api/v2/eventLogs?event=sla_miss`)."""

_TRYING = ("running", "deferred", "restarting", "up_for_reschedule", "up_for_retry")
"""States in which a task's own start is that of a try; in the others it may be an older one's."""

_UNFINISHED = (*_TRYING, "queued", "scheduled")


def begun_tasks(dag_id: str) -> list[BegunTask]:
    """The DAG's tasks that have begun and aren't over, of runs that aren't over either."""
    # Clearing a task gives it a new `max_tries`: with that, the tries before don't count.
    first_try = (
        select(func.min(TaskInstanceHistory.start_date))
        .where(
            TaskInstanceHistory.dag_id == TaskInstance.dag_id,
            TaskInstanceHistory.run_id == TaskInstance.run_id,
            TaskInstanceHistory.task_id == TaskInstance.task_id,
            TaskInstanceHistory.map_index == TaskInstance.map_index,
            TaskInstanceHistory.max_tries == TaskInstance.max_tries,
        )
        .scalar_subquery()
    )
    query = (
        select(TaskInstance, DagRun, first_try)
        .join(
            DagRun,
            (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id),
        )
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.state.in_(_UNFINISHED),
            DagRun.state.in_(["queued", "running"]),
        )
    )
    with create_session() as session:
        return [
            _begun(ti, run, started)
            for ti, run, first in session.execute(query)
            if (started := _first_start(ti, first)) is not None
        ]


def _first_start(ti: TaskInstance, first: datetime | None) -> datetime | None:
    starts = [first, ti.start_date if ti.state in _TRYING else None]
    return min((start for start in starts if start is not None), default=None)


def _begun(ti: TaskInstance, run: DagRun, started: datetime) -> BegunTask:
    return BegunTask(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        try_number=ti.try_number,
        started=started,
        execution_date=run.logical_date or run.run_after,
        run_started=run.start_date or started,
    )


def open_runs(dag_id: str) -> list[OpenRun]:
    """The DAG's runs that are queued or running now."""
    query = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.state.in_(["queued", "running"]))
    with create_session() as session:
        return [
            OpenRun(
                dag_id=run.dag_id,
                run_id=run.run_id,
                run_started=run.queued_at,
                execution_date=run.logical_date or run.run_after,
                again=queued_again(run.queued_at, run.created_at or run.run_after),
            )
            for run in session.scalars(query)
            if run.queued_at is not None
        ]


def variables(prefix: str) -> dict[str, str | None]:
    """Airflow's Variables, by name, whose names begin with `prefix`; None: can't be decrypted."""
    query = select(Variable).where(Variable.key.startswith(prefix, autoescape=True))
    with create_session() as session:
        return {found.key: found.val for found in session.scalars(query)}


def recorded_misses(late: Iterable[Late]) -> set[tuple[str, str | None]]:
    """The keys of those whose miss the audit log holds."""
    with create_session() as session:
        return {each.key for each in late if session.scalar(select(Log.id).where(*_miss_of(each)))}


@contextmanager
def claimed(late: Late, alert: Alert) -> Iterator[bool]:
    """Write the miss into the audit log, unless it is there: whether the caller is to alert it.

    The row, seen in Airflow's UI, stays if the block ends well. Until then every other caller
    waits for it, so that one of them gets True.
    """
    row: dict[str, Any] = {
        "event": EVENT,
        "owner": "movie_recommender",
        "extra": json.dumps({"alert": alert.subject}),
        "dag_id": late.dag_id,
        "task_id": late.task_id,
        "run_id": late.run_id,
        "try_number": late.try_number,
        "map_index": -1,
        "logical_date": late.execution_date,
        "dttm": datetime.now(UTC),
    }
    values = [literal(value, getattr(Log, name).type) for name, value in row.items()]
    new = select(*values).where(~select(Log.id).where(*_miss_of(late)).exists())
    run = select(DagRun.id).where(DagRun.dag_id == late.dag_id, DagRun.run_id == late.run_id)
    with create_session() as session:
        # SQLite knows no row locks: there the insert alone keeps others out.
        session.execute(run.with_for_update())
        result = session.execute(insert(Log).from_select(list(row), new))
        yield bool(cast(CursorResult[Any], result).rowcount)


def _miss_of(late: Late) -> list[ColumnElement[bool]]:
    """A row of this run and no other: an id can be used again when its run was deleted."""
    return [
        Log.event == EVENT,
        Log.dag_id == late.dag_id,
        Log.run_id == late.run_id,
        Log.task_id == late.task_id,
        Log.dttm >= late.run_started,
    ]
