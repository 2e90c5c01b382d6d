"""One Kafka broker (KRaft) from Maven Central's jars."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path

import filelock
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from movie_recommender.errors import NotReadyError
from movie_recommender.local import apt, process
from movie_recommender.local.ports import LOOPBACK

_JAVA, _MAVEN = "openjdk-17-jre-headless", "maven"
_HEAP = "512m"
_STAMP = ".complete"
_FORMATTED = ".formatted"
LOG = "kafka.log"


def answers(bootstrap_servers: str, *, timeout_s: float = 2.0) -> bool:
    """Whether a Kafka broker answers at `bootstrap_servers`."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def install(directory: Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """The broker's jars in `directory`; fetched once, an interrupted fetch again.

    Args:
        directory: shared by whoever asks; one fetches, the others wait.
        say: gets a line before anything that takes long.

    Raises:
        NotReadyError: Java or Maven is missing and can't be installed, or Maven failed.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(directory.with_suffix(".lock")):
        _require("java", say=say)
        if not (directory / _STAMP).exists():
            _require("mvn", say=say)
            say("kafka    fetching the broker's jars by Maven (once, 45 MB)")
            _fetch(directory)
    return directory


def _fetch(directory: Path) -> None:
    # Maven leaves a file that is there as it is, even half of one: an empty directory every time.
    fresh = directory.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    with as_file(files("movie_recommender.local") / "pom.xml") as pom:
        command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
        fetched = subprocess.run(
            [*command, f"-DoutputDirectory={fresh.resolve()}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if fetched.returncode != 0:
        message = (
            "Maven couldn't fetch the Kafka broker's jars:\n"
            f"{(fetched.stdout + fetched.stderr)[-1500:]}\n"
            "Check the network and the disk's free space, or start a broker of your own and set "
            "KAFKA_BOOTSTRAP_SERVERS."
        )
        raise NotReadyError(message)
    (fresh / _STAMP).touch()
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)


def start(
    jars: Path, directory: Path, *, port: int, controller_port: int, pidfile: Path
) -> process.Child:
    """Start a broker on loopback whose data lies in `directory`; formats an empty one first.

    Args:
        jars: from `install`.
        directory: data and configuration; kept between starts.
        port: clients' port.
        controller_port: the broker's own.
        pidfile: where its process is noted.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "server.properties"
    config.write_text(_properties(directory.resolve() / "data", port, controller_port))
    if not (directory / _FORMATTED).exists():
        # Nothing was ever in it, or the stamp would be there: a kill can leave half a format.
        shutil.rmtree(directory / "data", ignore_errors=True)
        _format(jars, config, uuid.uuid4().hex[:22])
        (directory / _FORMATTED).touch()
    return process.start(
        [*_java(jars), "kafka.Kafka", config.resolve()],
        pidfile=pidfile,
        log=directory / LOG,
        env=_environment(),
        cwd=directory,
    )


def _require(program: str, *, say: Callable[[str], None]) -> None:
    if shutil.which(program):
        return
    packages = f"{_JAVA} {_MAVEN}"  # who lacks one mostly lacks the other
    if apt.can_install():
        say(f"kafka    installing {packages} with apt-get (once)")
        apt.install(packages)
        if shutil.which(program):
            return
    message = (
        f"The local Kafka broker needs {program!r}, which isn't installed. Install: "
        f"apt-get install {packages} (or set KAFKA_BOOTSTRAP_SERVERS to a broker that runs)."
    )
    raise NotReadyError(message)


def _java(jars: Path) -> list[str]:
    options = [
        f"-Xmx{_HEAP}",
        "-Xms256m",
        "-XX:+UseG1GC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]
    return ["java", *options, "-cp", f"{jars.resolve()}/*"]


def _environment() -> Mapping[str, str]:
    names = ("PATH", "JAVA_HOME", "JAVA_TOOL_OPTIONS", "HOME")
    return {name: os.environ[name] for name in names if name in os.environ}


def _format(jars: Path, config: Path, cluster: str) -> None:
    command = [*_java(jars), "kafka.tools.StorageTool", "format", "--standalone"]
    done = subprocess.run(
        [*command, "-t", cluster, "-c", str(config)],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if done.returncode != 0:
        message = (
            f"Kafka can't format {config.parent}:\n{(done.stdout + done.stderr)[-1000:]}\n"
            "Check that the directory is writable and the disk has room, then run again."
        )
        raise NotReadyError(message)


def _properties(data: Path, port: int, controller_port: int) -> str:
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        # The default of a week would delete the MovieLens replay, whose events are years old.
        "log.retention.ms": -1,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
