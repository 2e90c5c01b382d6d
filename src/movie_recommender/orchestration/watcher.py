"""The watcher of task SLAs: a thread in the triggerer that alerts while a task is still late.

It survives what kills a task, its supervisor or the scheduler, and starts again with the
triggerer. Each miss is alerted once: the audit log is its memory, written as soon as one channel
has the alert. A channel that refuses is tried again in every sweep while the task is late; after
a restart of the triggerer it isn't. With several triggerers each may alert once.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from movie_recommender.orchestration import DAG_ID
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.delivery import Channel, channels, deliver
from movie_recommender.orchestration.limits import CurrentSlas
from movie_recommender.orchestration.run_watch import RunWatch
from movie_recommender.orchestration.sla import RunningTask, Slas, late_tasks, slas, task_alert
from movie_recommender.settings import alert_contacts

logger = logging.getLogger(__name__)

INTERVAL_S = 15.0
"""Seconds between two sweeps; an alert is at most this late."""


class State(Protocol):
    """Where running tasks are read and misses are kept: the module `airflow_state`."""

    def running_tasks(self, dag_id: str) -> list[RunningTask]:
        """The tries that are running now."""

    def recorded_misses(self, dag_id: str, run_ids: Iterable[str]) -> set[tuple[str, str, int]]:
        """The keys of the misses that were alerted before."""

    def record_miss(self, task: RunningTask, alert: Alert) -> None:
        """Remember that the miss was alerted."""


class Watcher:
    """Looks for late tasks and alerts each once by every channel.

    Args:
        state: where tasks and misses are.
        by: the channels by name.
        limits: asked in every sweep in which a task runs.
    """

    def __init__(
        self, state: State, by: Mapping[str, Channel], limits: Callable[[], Slas] = slas
    ) -> None:
        self._state = state
        self._limits = limits
        self._channels = by
        # The channels that still owe an alert that another one has delivered, by its key.
        self._refused: dict[tuple[str, str, int], set[str]] = {}

    def sweep(self, now: datetime) -> int:
        """Alert the tasks that are late at `now` and weren't alerted before; how many those are."""
        running = self._state.running_tasks(DAG_ID)
        limits = self._limits().tasks if running else {}
        late = late_tasks(running, limits, now)
        keys = {task.key for task in late}
        self._refused = {key: names for key, names in self._refused.items() if key in keys}
        if not late:
            return 0
        recorded = self._state.recorded_misses(DAG_ID, {task.run_id for task in late})
        alerts = {task: task_alert(task, limits[task.task_id], now) for task in late}
        return sum(self._alert(task, alerts[task], recorded=task.key in recorded) for task in late)

    def _alert(self, task: RunningTask, alert: Alert, *, recorded: bool) -> bool:
        new = not recorded and task.key not in self._refused
        wanted = set(self._channels) if new else self._refused.get(task.key, set())
        owed = {name: send for name, send in self._channels.items() if name in wanted}
        failed = deliver(alert, owed)
        if new and failed == wanted:
            return False
        self._refused[task.key] = failed
        if not recorded:
            self._state.record_miss(task, alert)
            logger.warning("sla miss alerted run_id=%s task_id=%s try=%s", *task.key)
        return new


def start(stop: threading.Event, *, interval_s: float = INTERVAL_S) -> threading.Thread:
    """Start the watching thread; it ends when `stop` is set or with its process."""
    thread = threading.Thread(
        target=_watch, args=(stop, interval_s), name="movie-recommender-sla-watcher", daemon=True
    )
    thread.start()
    return thread


def _watch(stop: threading.Event, interval_s: float) -> None:
    watchers: Sequence[Watcher | RunWatch] = ()
    # Waiting first: the triggerer forks its runner now, and no lock may be held while it does.
    while not stop.wait(interval_s):
        try:
            watchers = watchers or _watchers()
            for watcher in watchers:
                watcher.sweep(datetime.now(UTC))
        except Exception:  # the triggerer has other work; the next sweep tries again
            logger.exception("sla watcher: this sweep failed, the next is in %g s", interval_s)


def _watchers() -> tuple[Watcher, RunWatch]:
    from movie_recommender.orchestration import airflow_state

    logger.info("sla watcher: watching dag_id=%s", DAG_ID)
    limits, by = CurrentSlas(airflow_state.variables), channels(alert_contacts())
    return Watcher(airflow_state, by, limits), RunWatch(airflow_state, by, limits)
