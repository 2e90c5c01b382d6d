"""From when on a run's deadline counts."""

from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk.definitions.deadline import BaseDeadlineReference


class FirstQueuedAt(BaseDeadlineReference):
    """The moment at which the run was queued for the first time.

    Like `DeadlineReference.DAGRUN_QUEUED_AT`, but that clearing a task doesn't move it. Airflow
    3.3.2 tries to move that one's deadlines, can't read the interval that it has stored itself, and
    refuses to clear any task of a run that isn't late yet (HTTP 500). A run that was queued again
    is the watcher's: see `sla`.
    """

    required_kwargs: ClassVar[set[str]] = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        """Called by Airflow when it has made a run, with its own database session."""
        # Here: DAG files are read by processes that have no database.
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        queued_at = select(DagRun.queued_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        found: datetime | None = session.scalar(queued_at)
        return found
