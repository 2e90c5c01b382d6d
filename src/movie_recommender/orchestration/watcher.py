"""The watcher: a thread in the triggerer that alerts late tasks and runs, and empties the outbox.

It survives what kills a task, its supervisor or the scheduler, and starts again with the
triggerer. A miss is alerted once for a task and run, or for a run: it is claimed in the audit log,
in one transaction with putting its letters into the outbox, so that of several triggerers one does
it, and a kill loses nothing.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol

from movie_recommender.contacts import AlertContacts, alert_contacts
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration import DAG_ID
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.delivery import Post, UndeliveredError
from movie_recommender.orchestration.limits import CurrentSlas
from movie_recommender.orchestration.outbox import Letter
from movie_recommender.orchestration.sla import (
    BegunTask,
    Late,
    OpenRun,
    Slas,
    alert_about,
    late_tasks,
    letters,
    slas,
)

logger = logging.getLogger(__name__)

INTERVAL_S = 15.0
"""Seconds between two sweeps; an alert is at most this late."""


class State(Protocol):
    """Where begun tasks are read and misses are kept: the module `airflow_state`."""

    def begun_tasks(self, dag_id: str) -> list[BegunTask]:
        """The tasks of running runs that have begun and aren't over."""

    def open_runs(self, dag_id: str) -> list[OpenRun]:
        """The runs that are queued or running."""

    def recorded_misses(self, late: Iterable[Late]) -> set[tuple[str, str | None]]:
        """The keys of those whose miss was alerted before."""

    def claimed(self, late: Late, alert: Alert) -> AbstractContextManager[bool]:
        """Whether the miss is the caller's to alert; recorded when the block ends well."""


class Watcher:
    """Looks for late tasks and runs and alerts each once by every channel.

    Args:
        state: where tasks, runs and misses are.
        contacts: where alerts go.
        post: delivers them.
        limits: asked in every sweep.
    """

    def __init__(
        self,
        state: State,
        contacts: AlertContacts,
        post: Post,
        limits: Callable[[], Slas] = slas,
    ) -> None:
        self._state = state
        self._limits = limits
        self._contacts = contacts
        self._post = post

    def sweep(self, now: datetime) -> int:
        """Alert what is late at `now` and wasn't alerted before; how many tasks and runs those are.

        What waits in the outbox is sent, whatever becomes of what is late.
        """
        reached = False
        try:
            limits = self._limits()
            late = self._late(limits, now)
            recorded = self._state.recorded_misses(late)
            reached = True
            return sum(self._alert(each, limits, now) for each in late if each.key not in recorded)
        finally:
            self._post.flush(now, forget=reached)

    def _late(self, limits: Slas, now: datetime) -> list[Late]:
        late: list[Late] = []
        late += late_tasks(self._state.begun_tasks(DAG_ID), limits.tasks, now)
        late += [
            run
            for run in self._state.open_runs(DAG_ID)
            # Of the others the DAG's deadline alerts.
            if (limits.run_is_variable or run.again) and now - run.run_started > limits.run
        ]
        return late

    def _alert(self, late: Late, limits: Slas, now: datetime) -> bool:
        alert = alert_about(late, limits, now)
        with self._state.claimed(late, alert) as ours:
            if ours:
                self._hand_over(letters(late.once, alert, self._contacts, now))
                logger.warning("sla miss run_id=%s task_id=%s", late.run_id, late.task_id)
        return ours

    def _hand_over(self, found: list[Letter]) -> None:
        """Each letter is kept, or sent at once where the outbox can't be written.

        Raises:
            NotReadyError: they were refused, all that somebody wants; the next sweep tries again.
        """
        taken = refused = 0
        for letter in found:
            try:
                taken += self._post.keep(letter) or self._post.at_once(letter)
            except UndeliveredError as error:
                logger.warning("%s", error)
                refused += 1
        if refused and not taken:
            message = "No letter could be kept or sent; the lines above say why"
            raise NotReadyError(message)


def start(stop: threading.Event, *, interval_s: float = INTERVAL_S) -> threading.Thread:
    """Start the watching thread; it ends when `stop` is set or with its process."""
    thread = threading.Thread(
        target=_watch, args=(stop, interval_s), name="movie-recommender-sla-watcher", daemon=True
    )
    thread.start()
    return thread


def _watch(stop: threading.Event, interval_s: float) -> None:
    watcher: Watcher | None = None
    # Waiting first: the triggerer forks its runner now, and no lock may be held while it does.
    while not stop.wait(interval_s):
        try:
            watcher = watcher or _watcher()
            watcher.sweep(datetime.now(UTC))
        except Exception:  # the triggerer has other work; the next sweep tries again
            logger.exception("sla watcher: this sweep failed, the next is in %g s", interval_s)


def _watcher() -> Watcher:
    from movie_recommender.orchestration import airflow_state

    contacts = alert_contacts()
    logger.info("sla watcher: watching dag_id=%s outbox=%s", DAG_ID, contacts.outbox)
    limits = CurrentSlas(airflow_state.variables)
    return Watcher(airflow_state, contacts, Post(contacts), limits)
