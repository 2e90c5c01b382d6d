"""How long each task and the run may take, and what is late.

Airflow 3 has no task SLA: `watcher` compares running tasks with those of `Slas`. The run's SLA is
the DAG's DeadlineAlert, whose callback `run_sla_missed` runs in the triggerer; `run_watch` looks
for late runs where a Variable sets another SLA.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from movie_recommender.durations import in_words
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration import alerts, delivery, variables
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.facts import run_facts
from movie_recommender.settings import alert_contacts, usable_settings
from movie_recommender.sources import Layer

TASKS = (
    "generate_synthetic_data",
    "extract_events",
    "compute_features",
    "train_model",
    "evaluate_model",
    "deploy_model",
)
"""Those that have an SLA of their own: the settings `SLA_EXTRACT_EVENTS` and the like."""


@dataclass(frozen=True)
class Slas:
    """The limits in effect.

    Attributes:
        tasks: longest time that one try of a task may take, from its start, by task id.
        run: longest time that a run may take, from being queued.
        run_is_variable: whether an Airflow Variable says so; then `run_watch` looks for late runs.
        wrong: what is wrong with the settings, where anything is.
    """

    tasks: Mapping[str, timedelta]
    run: timedelta
    run_is_variable: bool
    wrong: str | None


def slas(*layers: Layer) -> Slas:
    """The SLAs of the environment, of `layers`, or by default.

    A wrong value gives way to its default: what is late is alerted all the same.
    """
    settings, wrong = usable_settings(*layers)
    return Slas(
        tasks={task: getattr(settings, f"sla_{task}") for task in TASKS},
        run=settings.sla_run,
        run_is_variable=settings.source("sla_run") == "Airflow Variable",
        wrong=wrong,
    )


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


def late_tasks(
    running: Iterable[RunningTask], limits: Mapping[str, timedelta], now: datetime
) -> list[RunningTask]:
    """Those of `running` whose limit is over at `now`; a task without one is never late."""
    return [
        task
        for task in running
        if task.task_id in limits and now - task.started > limits[task.task_id]
    ]


def task_alert(task: RunningTask, limit: timedelta, now: datetime) -> Alert:
    """The alert about a task that is later than `limit`."""
    return alerts.task_sla_alert(
        run_facts(task.dag_id, task.run_id, task.execution_date),
        task.task_id,
        task.try_number,
        sla=in_words(limit),
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
    return alerts.run_sla_alert(run, sla=in_words(slas().run))


async def run_sla_missed(context: Mapping[str, Any]) -> None:
    """Alert about a run over its SLA; called by the triggerer, again from the top if it is killed.

    A channel that refuses is logged and not tried again: Airflow doesn't retry this callback.
    """
    alert = run_alert(context["dag_run"])
    if alert is not None:
        # In a thread: hooks ask the triggerer's supervisor for connections and wait for servers.
        await asyncio.to_thread(_deliver, alert)


def _deliver(alert: Alert) -> None:
    try:
        is_variable = slas(variables.layer(variables.read())).run_is_variable
    except NotReadyError:  # better twice than not at all
        is_variable = False
    if not is_variable:
        delivery.deliver(alert, delivery.channels(alert_contacts()))
