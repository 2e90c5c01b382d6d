"""How long each task and the run may take, and what is late.

Airflow 3 has no task SLA: `watcher` compares begun tasks with those of `Slas`. The run's SLA is the
DAG's DeadlineAlert, whose callback `run_sla_missed` runs in the triggerer. It has the SLA that the
DAG processor's environment had when it read the file, and counts from when the run was queued
first. So where a Variable says what late is, and where a run was queued again, the watcher looks
for late runs, too, and the deadline stays silent.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from movie_recommender.contacts import AlertContacts, alert_contacts
from movie_recommender.durations import in_words
from movie_recommender.orchestration import alerts, variables
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.channels import chosen
from movie_recommender.orchestration.delivery import Post, UndeliveredError
from movie_recommender.orchestration.facts import run_facts
from movie_recommender.orchestration.outbox import Letter
from movie_recommender.settings import Settings, usable_settings
from movie_recommender.sources import Layer

logger = logging.getLogger(__name__)

SOON = timedelta(minutes=1)
"""Airflow notes when it makes a run, and when it queues it; later than that, it was queued again.
"""

TASKS = tuple(
    name.removeprefix("sla_")
    for name in Settings.model_fields
    if name.startswith("sla_") and name != "sla_run"
)
"""Those that have an SLA of their own: the settings `SLA_EXTRACT_EVENTS` and the like."""


@dataclass(frozen=True)
class Slas:
    """The limits in effect.

    Attributes:
        tasks: longest time that a task may take, from the start of its first try, by task id.
        run: longest time that a run may take, from being queued.
        run_is_variable: whether an Airflow Variable says so; then the watcher looks for late runs.
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

    @property
    def once(self) -> str:
        """What its letters are about, in a word that no other late task has."""
        return f"task SLA:{self.run_id}:{self.run_started.isoformat()}:{self.task_id}"


@dataclass(frozen=True)
class OpenRun:
    """A run that isn't over; instants are in UTC.

    Attributes:
        dag_id: its DAG.
        run_id: its run.
        run_started: when it was queued, the last time: clearing any of its tasks queues it again.
        execution_date: the run's.
        again: whether it was queued before.
    """

    dag_id: str
    run_id: str
    run_started: datetime
    execution_date: datetime
    again: bool
    task_id: None = None
    try_number: None = None

    @property
    def key(self) -> tuple[str, None]:
        """What is alerted once: the run."""
        return (self.run_id, None)

    @property
    def once(self) -> str:
        """What its letters are about, in a word that no other late run has."""
        return f"run SLA:{self.run_id}:{self.run_started.isoformat()}"


Late = BegunTask | OpenRun


def queued_again(queued: datetime, first: datetime) -> bool:
    """Whether a run that was queued `first` is in the queue, or out of it, another time."""
    return queued - first > SOON


def late_tasks(
    begun: Iterable[BegunTask], limits: Mapping[str, timedelta], now: datetime
) -> list[BegunTask]:
    """Those of `begun` whose limit is over at `now`; a task without one is never late."""
    return [
        task
        for task in begun
        if task.task_id in limits and now - task.started > limits[task.task_id]
    ]


def alert_about(late: Late, limits: Slas, now: datetime) -> Alert:
    """The alert about a late task or run."""
    run = run_facts(late.dag_id, late.run_id, late.execution_date)
    if isinstance(late, OpenRun):
        return alerts.run_sla_alert(run, sla=in_words(limits.run))
    return alerts.task_sla_alert(
        run,
        late.task_id,
        late.try_number,
        sla=in_words(limits.tasks[late.task_id]),
        running=in_words(now - late.started),
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
    return alerts.run_sla_alert(run, sla=in_words(slas().run))


async def run_sla_missed(context: Mapping[str, Any], sla_s: float | None = None) -> None:
    """Alert about a run over its SLA; called by the triggerer, again from the top if it is killed.

    The outbox makes one alert of several calls about one deadline, and delivers what a channel
    refuses now: Airflow doesn't retry this callback.

    Args:
        context: Airflow's: `dag_run` and `deadline`, mappings.
        sla_s: the deadline's interval, in seconds; None: of a run that an older DAG has made.
    """
    # In a thread: hooks ask the triggerer's supervisor for connections and wait for servers.
    await asyncio.to_thread(_tell, context, sla_s, datetime.now(UTC))


def _tell(context: Mapping[str, Any], sla_s: float | None, now: datetime) -> None:
    dag_run, contacts = context["dag_run"], alert_contacts()
    if sla_s is not None and _was_queued_again(context, timedelta(seconds=sla_s)):
        logger.info("run SLA: run %s was queued again: the watcher's", dag_run["dag_run_id"])
        return
    alert = run_alert(dag_run, _state_now(dag_run))
    if alert is None or _is_variable():
        return
    deadline = context["deadline"]["id"]
    found = letters(f"run SLA:{dag_run['dag_run_id']}:{deadline}", alert, contacts, now)
    post = Post(contacts)
    for letter in found:
        post.keep(letter)
    for letter in found:
        try:
            logger.info("%s", post.deliver(letter).note)
        except UndeliveredError:  # the next letter has another channel
            logger.exception("run SLA: a letter was neither sent nor kept")


def _was_queued_again(context: Mapping[str, Any], sla: timedelta) -> bool:
    queued, deadline = context["dag_run"]["queued_at"], context["deadline"]["deadline_time"]
    return queued is not None and queued_again(_instant(queued), _instant(deadline) - sla)


def _instant(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _is_variable() -> bool:
    try:
        return slas(variables.layer(variables.read())).run_is_variable
    except Exception:  # better twice than not at all
        logger.exception("run SLA: the Variables are unknown")
        return False


def _state_now(dag_run: Mapping[str, Any]) -> str:
    """The run's state: what came with the call may be hours old, where the triggerer was down."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        return RuntimeTaskInstance.get_dagrun_state(dag_run["dag_id"], dag_run["dag_run_id"])
    except Exception:  # whatever is wrong there, a late run is alerted rather than not
        logger.exception("run SLA: the state of run %s is unknown", dag_run["dag_run_id"])
        return str(dag_run["state"])
