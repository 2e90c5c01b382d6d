"""`/metrics` of the whole pipeline.

The facts are read on a clock of their own; a scrape gets the last ones at once.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from movie_recommender.errors import ConfigurationError
from movie_recommender.monitoring.facts import Facts, Monitor
from movie_recommender.monitoring.metrics import limits_of, metrics_of
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


class LastFacts(Collector):
    """What Prometheus asks for: the limits, and the metrics of the facts that were read last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.facts: Facts | None = None

    def collect(self) -> Iterator[Metric]:
        """The metrics; the limits alone before the first look."""
        yield from limits_of(self._settings)
        if self.facts is not None:
            yield from metrics_of(self.facts)


def serve(settings: Settings, *, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Answer at EXPORTER_HOST and EXPORTER_PORT, on every path, until `stop` is set.

    Args:
        settings: where everything is.
        clock: tells the time.
        stop: ends it, within a look's patience.

    Raises:
        ConfigurationError: the address can't be listened on.
    """
    last = LastFacts(settings)
    registry = CollectorRegistry()
    registry.register(last)
    monitor = Monitor(settings)
    server, thread = listen(settings, registry)
    logger.info("exporter on http://%s:%s", settings.exporter_host, settings.exporter_port)
    try:
        while not stop.is_set():
            last.facts = _look(monitor, clock())
            stop.wait(settings.exporter_interval_s)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _look(monitor: Monitor, now: datetime) -> Facts:
    facts = monitor.look(now)
    for name, part in facts.parts.items():
        if part.problem is not None:
            logger.warning("exporter part=%s problem=%s", name, part.problem)
    return facts


def listen(settings: Settings, registry: CollectorRegistry) -> tuple[WSGIServer, threading.Thread]:
    """Answer with what is in `registry`; the server, and the thread that it answers in.

    Raises:
        ConfigurationError: the address can't be listened on.
    """
    host, port = settings.exporter_host, settings.exporter_port
    try:
        return start_http_server(port, host, registry)
    except OSError as error:
        message = (
            f"EXPORTER_HOST={host}, EXPORTER_PORT={port}: can't listen there ({error.strerror}). "
            "End the program that does, or choose another port."
        )
        raise ConfigurationError(message) from error
