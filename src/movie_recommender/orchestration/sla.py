"""How long each task and the run may take, and what is late.

Airflow 3 has no task SLA: `watcher` compares begun tasks with `TASK_SLAS`. The run's SLA is the
DAG's DeadlineAlert, whose callback `run_sla_missed` runs in the triggerer.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from movie_recommender.orchestration import alerts
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.channels import chosen
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.facts import run_facts
from movie_recommender.orchestration.outbox import Letter
from movie_recommender.settings import AlertContacts, alert_contacts

logger = logging.getLogger(__name__)

TASK_SLAS: Mapping[str, timedelta] = {
    "generate_synthetic_data": timedelta(hours=2),
    "extract_events": timedelta(hours=1),
    "compute_features": timedelta(hours=3),
    "train_model": timedelta(hours=4),
    "evaluate_model": timedelta(hours=1),
    "deploy_model": timedelta(hours=1),
}
"""Longest time that a task may take, from the start of its first try."""

RUN_SLA = timedelta(hours=6)
"""Longest time that a run may take, from being queued."""


@dataclass(frozen=True)
class BegunTask:
    """A task of a running run that has begun and isn't over; instants are in UTC.

    Attributes:
        dag_id: its DAG.
        run_id: its run.
        task_id: its id.
        try_number: the try that runs, or the last one while it waits for the next.
        started: start of the first try; of the first one after it was cleared, if it was.
        execution_date: the run's.
        run_started: start of the run; a run that is started anew is a new one.
    """

    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    started: datetime
    execution_date: datetime
    run_started: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What is alerted once: run and task."""
        return (self.run_id, self.task_id)


def late_tasks(begun: Iterable[BegunTask], now: datetime) -> list[BegunTask]:
    """Those of `begun` whose SLA is over at `now`; a task without SLA is never late."""
    return [
        task
        for task in begun
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


def task_alert(task: BegunTask, now: datetime) -> Alert:
    """The alert about a late task."""
    return alerts.task_sla_alert(
        run_facts(task.dag_id, task.run_id, task.execution_date),
        task.task_id,
        task.try_number,
        sla=in_words(TASK_SLAS[task.task_id]),
        running=in_words(now - task.started),
    )


def letters(about: str, alert: Alert, contacts: AlertContacts, now: datetime) -> list[Letter]:
    """A letter for each channel of ALERT_CHANNELS; `about` names what must be alerted once."""
    return [Letter(f"{about}:{name}", (name,), alert, now) for name in chosen(contacts)]


def run_alert(dag_run: Mapping[str, Any], state: str) -> Alert | None:
    """The alert about a late run; None if it is over: a failed run keeps its deadline.

    `dag_run` is what Airflow hands to a deadline's callback: a mapping, instants as ISO 8601.
    """
    if state not in {"queued", "running"}:
        return None
    instant = datetime.fromisoformat(dag_run["logical_date"] or dag_run["run_after"])
    run = run_facts(dag_run["dag_id"], dag_run["dag_run_id"], instant)
    return alerts.run_sla_alert(run, sla=in_words(RUN_SLA))


async def run_sla_missed(context: Mapping[str, Any]) -> None:
    """Alert about a run over its SLA; called by the triggerer, again from the top if it is killed.

    The outbox makes one alert of several calls about one deadline, and delivers what a channel
    refuses now: Airflow doesn't retry this callback.
    """
    # In a thread: hooks ask the triggerer's supervisor for connections and wait for servers.
    await asyncio.to_thread(_tell, context, datetime.now(UTC))


def _tell(context: Mapping[str, Any], now: datetime) -> None:
    dag_run, contacts = context["dag_run"], alert_contacts()
    alert = run_alert(dag_run, _state_now(dag_run))
    if alert is None:
        return
    deadline = context["deadline"]["id"]
    found = letters(f"run SLA:{dag_run['dag_run_id']}:{deadline}", alert, contacts, now)
    post = Post(contacts)
    for letter in found:
        post.keep(letter)
    for letter in found:
        logger.info("%s", post.deliver(letter).note)


def _state_now(dag_run: Mapping[str, Any]) -> str:
    """The run's state: what came with the call may be hours old, where the triggerer was down."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        return RuntimeTaskInstance.get_dagrun_state(dag_run["dag_id"], dag_run["dag_run_id"])
    except Exception:  # whatever is wrong there, a late run is alerted rather than not
        logger.exception("run SLA: the state of run %s is unknown", dag_run["dag_run_id"])
        return str(dag_run["state"])
