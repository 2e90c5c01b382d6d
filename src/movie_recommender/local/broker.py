"""One Kafka broker (KRaft) from Maven Central's jars."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from movie_recommender.errors import NotReadyError
from movie_recommender.local import process
from movie_recommender.local.ports import LOOPBACK

_PACKAGES = {"java": "openjdk-17-jre-headless", "mvn": "maven"}
_HEAP = "512m"
_STAMP = ".complete"
LOG = "kafka.log"


def answers(bootstrap_servers: str, *, timeout_s: float = 2.0) -> bool:
    """Whether a Kafka broker answers at `bootstrap_servers`."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def install(directory: Path) -> Path:
    """The broker's jars in `directory`; fetched once, an interrupted fetch again.

    Raises:
        NotReadyError: Java or Maven is missing and can't be installed, or Maven failed.
    """
    stamp = directory / _STAMP
    if not stamp.exists():
        _require("java", "mvn")
        with as_file(files("movie_recommender.local") / "pom.xml") as pom:
            command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
            fetched = subprocess.run(
                [*command, f"-DoutputDirectory={directory}"],
                capture_output=True,
                text=True,
                check=False,
            )
        if fetched.returncode != 0:
            message = (
                "Maven couldn't fetch the Kafka broker's jars:\n"
                f"{(fetched.stdout + fetched.stderr)[-1500:]}\n"
                "Check the network, or start a broker of your own and set KAFKA_BOOTSTRAP_SERVERS."
            )
            raise NotReadyError(message)
        stamp.touch()
    _require("java")
    return directory


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
    if not (directory / "data" / "meta.properties").exists():
        cluster = uuid.uuid4().hex[:22]
        _format(jars, config, cluster)
    return process.start(
        [*_java(jars), "kafka.Kafka", config.resolve()],
        pidfile=pidfile,
        log=directory / LOG,
        env=_environment(),
        cwd=directory,
    )


def _require(*programs: str) -> None:
    missing = [_PACKAGES[name] for name in programs if shutil.which(name) is None]
    if not missing:
        return
    remedy = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
        done = subprocess.run(remedy.split(), check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return
    message = (
        f"The local Kafka broker needs {' and '.join(missing)}. Install: {remedy} "
        "(or set KAFKA_BOOTSTRAP_SERVERS to a broker that runs)."
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
    return {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "HOME") if name in os.environ}


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
