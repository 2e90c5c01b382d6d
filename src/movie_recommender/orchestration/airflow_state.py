"""What the watcher reads of and writes to Airflow's metadata database.

These are Airflow's ORM models, which are no public API: this module is all that a new Airflow
version can break. It is imported in the triggerer, and by the command line where it may look into
the database.
"""

import json
from collections.abc import Iterable

from airflow.models import DagRun, Log, TaskInstance, Variable
from airflow.utils.session import create_session
from sqlalchemy import select

from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.run_watch import OpenRun
from movie_recommender.orchestration.sla import RunningTask

EVENT = "sla_miss"
"""The event's name in Airflow's audit log (`GET /api/v2/eventLogs?event=sla_miss`)."""


def running_tasks(dag_id: str) -> list[RunningTask]:
    """The tries of the DAG's tasks that are running now."""
    query = (
        select(TaskInstance, DagRun.logical_date, DagRun.run_after)
        .join(
            DagRun,
            (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id),
        )
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.state == "running",
        )
    )
    with create_session() as session:
        return [
            RunningTask(
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                task_id=ti.task_id,
                try_number=ti.try_number,
                started=started,
                execution_date=logical_date or run_after,
            )
            for ti, logical_date, run_after in session.execute(query)
            if (started := ti.start_date) is not None
        ]


def variables(prefix: str) -> dict[str, str | None]:
    """Airflow's Variables, by name, whose names begin with `prefix`; None: can't be decrypted."""
    query = select(Variable).where(Variable.key.startswith(prefix, autoescape=True))
    with create_session() as session:
        return {found.key: found.val for found in session.scalars(query)}


def recorded_misses(dag_id: str, run_ids: Iterable[str]) -> set[tuple[str, str, int]]:
    """The keys (run, task, try) of these runs that the audit log holds a miss of."""
    query = select(Log.run_id, Log.task_id, Log.try_number).where(
        Log.event == EVENT, Log.dag_id == dag_id, Log.run_id.in_(set(run_ids))
    )
    with create_session() as session:
        rows = session.execute(query).all()
    return {
        (run_id, task_id, number)
        for run_id, task_id, number in rows
        if run_id is not None and task_id is not None and number is not None
    }


def record_miss(task: RunningTask, alert: Alert) -> None:
    """Write the miss to the audit log: the memory that it was alerted, seen in the UI."""
    row = Log(
        event=EVENT,
        owner="movie_recommender",
        extra=json.dumps({"alert": alert.subject}),
        dag_id=task.dag_id,
        task_id=task.task_id,
        run_id=task.run_id,
        try_number=task.try_number,
        map_index=-1,
        logical_date=task.execution_date,
    )
    with create_session() as session:
        session.add(row)


def open_runs(dag_id: str) -> list[OpenRun]:
    """The DAG's runs that are queued or running now."""
    query = select(DagRun).where(DagRun.dag_id == dag_id, DagRun.state.in_(["queued", "running"]))
    with create_session() as session:
        return [
            OpenRun(run.dag_id, run.run_id, run.queued_at, run.logical_date or run.run_after)
            for run in session.scalars(query)
            if run.queued_at is not None
        ]


def recorded_runs(dag_id: str, run_ids: Iterable[str]) -> set[str]:
    """Those of these runs that the audit log holds a miss of, of the run itself."""
    query = select(Log.run_id).where(
        Log.event == EVENT,
        Log.dag_id == dag_id,
        Log.task_id.is_(None),
        Log.run_id.in_(set(run_ids)),
    )
    with create_session() as session:
        return {run_id for run_id in session.scalars(query) if run_id is not None}


def record_run(run: OpenRun, alert: Alert) -> None:
    """Write a late run to the audit log, as `record_miss` a late task."""
    row = Log(
        event=EVENT,
        owner="movie_recommender",
        extra=json.dumps({"alert": alert.subject}),
        dag_id=run.dag_id,
        run_id=run.run_id,
        logical_date=run.execution_date,
    )
    with create_session() as session:
        session.add(row)
