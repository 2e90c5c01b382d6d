"""The Airflow plugin: starts the SLA watcher in the triggerer, and knows from when deadlines count.

Every Airflow process loads it by the entry point `airflow.plugins`, so nothing is imported here
that the process hasn't already.
"""

import logging
import sys
import threading
from collections.abc import Sequence

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from movie_recommender.orchestration.deadline import FirstQueuedAt

logger = logging.getLogger(__name__)


def is_triggerer(argv: Sequence[str]) -> bool:
    """Whether this is the command line of `airflow triggerer`; a job doesn't know its type yet."""
    return "triggerer" in argv[1:2]


class TriggererListener:
    """Starts the watcher with the triggerer, and stops it with it."""

    def __init__(self) -> None:
        self._stop: threading.Event | None = None

    @hookimpl
    def on_starting(self, component: object) -> None:  # noqa: ARG002  (pluggy matches the name)
        """Start the watcher, once, if this process is the triggerer."""
        if self._stop is not None or not is_triggerer(sys.argv):
            return
        try:
            from movie_recommender.orchestration import watcher

            self._stop = threading.Event()
            watcher.start(self._stop)
        except Exception:  # without task SLAs the triggerer is still worth running
            logger.exception("the SLA watcher could not be started; task SLAs are not watched")

    @hookimpl
    def before_stopping(self, component: object) -> None:  # noqa: ARG002
        """Tell the watcher to end."""
        if self._stop is not None:
            self._stop.set()


class MovieRecommenderPlugin(AirflowPlugin):
    """What the entry point names."""

    name = "movie_recommender"
    listeners = [TriggererListener()]  # noqa: RUF012  (AirflowPlugin's own type)
    deadline_references = [FirstQueuedAt]  # noqa: RUF012
