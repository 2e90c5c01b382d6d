"""A broker that a test may kill, and how many kills it is allowed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.local import broker, ports, process

_REPOSITORY = Path(__file__).parent.parent.parent


class Broker:
    """A Kafka broker of the test's own, on one port and one directory for all its lives."""

    def __init__(self, directory: Path) -> None:
        self._jars = broker.install(_REPOSITORY / "var" / "cache" / "kafka")
        self._directory = directory
        self._port = ports.choose(0)
        self._controller = ports.choose(0, taken=frozenset({self._port}))
        self._pidfile = directory / "pid"
        self.servers = f"{ports.LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
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

    def kill(self) -> None:
        """End it as a power cut ends a process."""
        self.signal(signal.SIGKILL)
        process.end(self._pidfile, grace_s=5)

    def signal(self, number: int) -> None:
        """Send a signal to its process."""
        os.kill(json.loads(self._pidfile.read_text())[0], number)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        process.end(self._pidfile, grace_s=5)


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[Broker]:
    """A running broker that the test may kill and start again."""
    directory = tmp_path / "kafka"
    directory.mkdir()
    mortal = Broker(directory)
    mortal.start()
    try:
        yield mortal
    finally:
        mortal.stop()


@pytest.fixture(scope="session")
def n_kills() -> tuple[int, int]:
    """How often extraction and the broker are killed: FAULT_KILLS=200,20 for the whole proof."""
    extraction, broker_ = os.environ.get("FAULT_KILLS", "8,1").split(",")
    return int(extraction), int(broker_)
