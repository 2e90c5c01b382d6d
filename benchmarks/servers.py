"""A Kafka broker of a benchmark's own, gone when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from movie_recommender.local import broker, ports, process

JARS = Path(__file__).parent.parent / "var" / "cache" / "kafka"


@contextmanager
def kafka(directory: Path) -> Iterator[str]:
    """Bootstrap servers of a broker whose data lies in `directory`."""
    jars = broker.install(JARS)
    port = ports.choose(0)
    controller = ports.choose(0, taken=frozenset({port}))
    pidfile = directory / "kafka.pid"
    started = broker.start(
        jars, directory / "kafka", port=port, controller_port=controller, pidfile=pidfile
    )
    servers = f"{ports.LOOPBACK}:{port}"
    try:
        process.wait_until(
            lambda: broker.answers(servers),
            started,
            name="Kafka",
            log=directory / "kafka" / broker.LOG,
            timeout_s=60,
        )
        yield servers
    finally:
        process.end(pidfile, grace_s=5)
