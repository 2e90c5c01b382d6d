"""How long each task and the run may take, and what is late.

Airflow 3 has no task SLA: `watcher` compares running tasks with `TASK_SLAS`. The run's SLA is the
DAG's DeadlineAlert, whose callback `run_sla_missed` runs in the triggerer.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from movie_recommender.orchestration import alerts, delivery
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.facts import run_facts
from movie_recommender.settings import alert_contacts

TASK_SLAS: Mapping[str, timedelta] = {
    "generate_synthetic_data": timedelta(hours=2),
    "extract_events": timedelta(hours=1),
    "compute_features": timedelta(hours=3),
    "train_model": timedelta(hours=4),
    "evaluate_model": timedelta(hours=1),
    "deploy_model": timedelta(hours=1),
}
"""Longest time that one try of a task may take, from its start."""

RUN_SLA = timedelta(hours=6)
"""Longest time that a run may take, from being queued."""


@dataclass(frozen=True)
class RunningTask:
    """One try of a task that is running now; `execution_date` is its run's, both in UTC."""

    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    started: datetime
    execution_date: datetime

    @property
    def key(self) -> tuple[str, str, int]:
        """What is alerted once: run, task, try."""
        return (self.run_id, self.task_id, self.try_number)


def late_tasks(running: Iterable[RunningTask], now: datetime) -> list[RunningTask]:
    """Those of `running` whose SLA is over at `now`; a task without SLA is never late."""
    return [
        task
        for task in running
        if task.task_id in TASK_SLAS and now - task.started > TASK_SLAS[task.task_id]
    ]


def in_words(duration: timedelta) -> str:
    """`duration` in hours and minutes.

    >>> in_words(timedelta(hours=2)), in_words(timedelta(minutes=65)), in_words(timedelta(0))
    ('2 h', '1 h 5 min', '0 min')
    """
    hours, minutes = divmod(int(duration.total_seconds()) // 60, 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, *([f"{minutes} min"] if minutes or not hours else [])])


def task_alert(task: RunningTask, now: datetime) -> Alert:
    """The alert about a late task."""
    return alerts.task_sla_alert(
        run_facts(task.dag_id, task.run_id, task.execution_date),
        task.task_id,
        task.try_number,
        sla=in_words(TASK_SLAS[task.task_id]),
        running=in_words(now - task.started),
    )


def run_alert(dag_run: Mapping[str, Any]) -> Alert | None:
    """The alert about a late run; None if it is over: a failed run keeps its deadline.

    `dag_run` is what Airflow hands to a deadline's callback: a mapping, instants as ISO 8601.
    """
    if dag_run["state"] not in {"queued", "running"}:
        return None
    instant = datetime.fromisoformat(dag_run["logical_date"] or dag_run["run_after"])
    run = run_facts(dag_run["dag_id"], dag_run["dag_run_id"], instant)
    return alerts.run_sla_alert(run, sla=in_words(RUN_SLA))


async def run_sla_missed(context: Mapping[str, Any]) -> None:
    """Alert about a run over its SLA; called by the triggerer, again from the top if it is killed.

    A channel that refuses is logged and not tried again: Airflow doesn't retry this callback.
    """
    alert = run_alert(context["dag_run"])
    if alert is not None:
        # In a thread: hooks ask the triggerer's supervisor for connections and wait for servers.
        await asyncio.to_thread(delivery.deliver, alert, delivery.channels(alert_contacts()))
