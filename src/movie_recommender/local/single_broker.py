"""A Kafka broker without the rest of the stack, for tests and benchmarks."""

import json
import os
import signal
from pathlib import Path

from movie_recommender.local import broker, ports, process


class SingleBroker:
    """A broker on one port and one directory for all its lives; a context manager.

    Args:
        jars: directory for the broker's jars, which are fetched where they are missing.
        directory: its data, log and configuration.
    """

    def __init__(self, jars: Path, directory: Path) -> None:
        self._jars = broker.install(jars)
        self._directory = directory
        self._port = ports.choose(0)
        self._controller = ports.choose(0, taken=frozenset({self._port}))
        self._pidfile = directory / "pid"
        self.servers = f"{ports.LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            NotReadyError: it doesn't within a minute.
        """
        started = broker.start(
            self._jars,
            self._directory,
            port=self._port,
            controller_port=self._controller,
            pidfile=self._pidfile,
        )
        process.wait_until(
            lambda: broker.answers(self.servers),
            started,
            name="Kafka",
            log=self._directory / broker.LOG,
            timeout_s=60,
        )

    def signal(self, number: int) -> None:
        """Send a signal to its process."""
        os.kill(json.loads(self._pidfile.read_text())[0], number)

    def kill(self) -> None:
        """End it as a power cut ends a process."""
        self.signal(signal.SIGKILL)
        process.end(self._pidfile, grace_s=5)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        process.end(self._pidfile, grace_s=5)

    def __enter__(self) -> "SingleBroker":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
