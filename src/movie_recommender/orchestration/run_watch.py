"""Late runs, where an Airflow Variable says what late is.

The DAG's deadline has the SLA that the DAG processor's environment had when it read the file; no
Variable is read then. So with `movie_recommender.SLA_RUN` set, the triggerer's watcher looks for
late runs, by the value of the moment, and the deadline stays silent.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from movie_recommender.durations import in_words
from movie_recommender.orchestration import DAG_ID, alerts
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.delivery import Channel, deliver
from movie_recommender.orchestration.facts import run_facts
from movie_recommender.orchestration.sla import Slas

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenRun:
    """A run that isn't over; `queued` and `execution_date` in UTC."""

    dag_id: str
    run_id: str
    queued: datetime
    execution_date: datetime


class State(Protocol):
    """Where runs are read and misses are kept: the module `airflow_state`."""

    def open_runs(self, dag_id: str) -> list[OpenRun]:
        """The runs that are queued or running now."""

    def recorded_runs(self, dag_id: str, run_ids: Iterable[str]) -> set[str]:
        """Those of the runs that were alerted before."""

    def record_run(self, run: OpenRun, alert: Alert) -> None:
        """Remember that the run was alerted."""


class RunWatch:
    """Alerts each late run once; the audit log is its memory.

    Args:
        state: where runs and misses are.
        by: the channels by name.
        limits: asked in every sweep.
    """

    def __init__(self, state: State, by: Mapping[str, Channel], limits: Callable[[], Slas]) -> None:
        self._state = state
        self._channels = by
        self._limits = limits

    def sweep(self, now: datetime) -> int:
        """Alert the runs that are late at `now` and weren't before; how many those are.

        With every channel down nothing is remembered, and the next sweep tries again.
        """
        limits = self._limits()
        if not limits.run_is_variable:
            return 0
        runs = self._state.open_runs(DAG_ID)
        late = [run for run in runs if now - run.queued > limits.run]
        known = self._state.recorded_runs(DAG_ID, {run.run_id for run in late}) if late else set()
        return sum(self._alert(run, limits) for run in late if run.run_id not in known)

    def _alert(self, run: OpenRun, limits: Slas) -> bool:
        facts = run_facts(run.dag_id, run.run_id, run.execution_date)
        alert = alerts.run_sla_alert(facts, sla=in_words(limits.run))
        if deliver(alert, self._channels) == set(self._channels):
            return False
        self._state.record_run(run, alert)
        logger.warning("sla miss alerted run_id=%s", run.run_id)
        return True
