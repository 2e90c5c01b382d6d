"""What each server of the stack is: how it starts, when it is well, where its log lies."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from movie_recommender.local import airflow_server, broker, mlflow_server, ports, process
from movie_recommender.local.airflow_api import AirflowApi
from movie_recommender.local.airflow_server import AirflowPorts

PREFERRED_PORTS = {
    "kafka": 9092,
    "kafka_controller": 9093,
    "mlflow": 5000,
    "sink": 8025,
    "smtp": 1025,
    "serving": 8000,
    "airflow": 8080,
    "airflow_worker_logs": 8793,
    "airflow_trigger_logs": 8794,
    "airflow_scheduler_health": 8974,
}
"""A server's own port has the server's name."""

PORT_OWNER = {name: name.partition("_")[0] for name in PREFERRED_PORTS} | {"smtp": "sink"}

Ports = Mapping[str, int]


@dataclass(frozen=True)
class Service:
    """One server.

    `healthy` asks it over the network, so the answer may come from another program on its port.
    """

    name: str
    port: int
    log: Path
    timeout_s: float
    launch: Callable[[], process.Child]
    healthy: Callable[[], bool]


def kafka(var: Path, port: Ports, pidfile: Path, *, say: Callable[[str], None]) -> Service:
    """The broker; its jars are fetched when it starts."""
    directory = var / "kafka"

    def launch() -> process.Child:
        return broker.start(
            broker.install(var / "cache" / "kafka", say=say),
            directory,
            port=port["kafka"],
            controller_port=port["kafka_controller"],
            pidfile=pidfile,
        )

    def healthy() -> bool:
        return broker.answers(f"{ports.LOOPBACK}:{port['kafka']}")

    return Service("kafka", port["kafka"], directory / broker.LOG, 60.0, launch, healthy)


def mlflow(var: Path, port: Ports, pidfile: Path) -> Service:
    """The MLflow server."""
    directory = var / "mlflow"

    def launch() -> process.Child:
        return mlflow_server.start(directory, port=port["mlflow"], pidfile=pidfile)

    def healthy() -> bool:
        return mlflow_server.answers(f"http://{ports.LOOPBACK}:{port['mlflow']}")

    return Service("mlflow", port["mlflow"], directory / mlflow_server.LOG, 120.0, launch, healthy)


def sink(var: Path, port: Ports, pidfile: Path) -> Service:
    """The notification sink."""
    directory = var / "sink"
    log = directory / "sink.log"
    command: list[str | Path] = [
        *(sys.executable, "-m", "movie_recommender.local.sink"),
        *("--directory", directory),
        *("--http-port", str(port["sink"]), "--smtp-port", str(port["smtp"])),
    ]

    def launch() -> process.Child:
        directory.mkdir(parents=True, exist_ok=True)
        return process.start(command, pidfile=pidfile, log=log, env=os.environ, cwd=directory)

    def healthy() -> bool:
        try:
            url = f"http://{ports.LOOPBACK}:{port['sink']}/messages"
            return httpx.get(url, timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    return Service("sink", port["sink"], log, 60.0, launch, healthy)


def serving(var: Path, port: Ports, pidfile: Path, *, environment: Mapping[str, str]) -> Service:
    """The recommendations, for the servers and places that `environment` names."""
    directory = var / "serving"
    log = directory / "serving.log"
    own = {
        "SERVING_HOST": ports.LOOPBACK,
        "SERVING_PORT": str(port["serving"]),
        "SERVING_CACHE_DIR": str(directory / "cache"),
    }

    def launch() -> process.Child:
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "movie_recommender.cli", "serve"]
        env = {**os.environ, **environment, **own}
        return process.start(command, pidfile=pidfile, log=log, env=env, cwd=directory)

    def healthy() -> bool:
        return serving_answers(f"http://{ports.LOOPBACK}:{port['serving']}")

    return Service("serving", port["serving"], log, 60.0, launch, healthy)


def serving_answers(url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether a server of recommendations answers at `url`, be it without a model yet."""
    try:
        return httpx.get(f"{url}/health", timeout=timeout_s).is_success
    except httpx.HTTPError:
        return False


def airflow(
    var: Path,
    port: Ports,
    pidfile: Path,
    *,
    environment: Mapping[str, str],
    given: Mapping[str, str],
) -> Service:
    """Airflow, `environment` going before what the caller has `given`."""
    home = var / "airflow"
    api = AirflowApi(f"http://{ports.LOOPBACK}:{port['airflow']}")

    def launch() -> process.Child:
        env = {**_without_airflow(given), **environment}
        return airflow_server.start(home, env, pidfile=pidfile)

    def healthy() -> bool:
        return all(api.health().values())

    log = home / airflow_server.LOG
    return Service("airflow", port["airflow"], log, 180.0, launch, healthy)


def airflow_ports(port: Ports) -> AirflowPorts:
    """Airflow's ports by their own names."""
    return AirflowPorts(
        api=port["airflow"],
        worker_logs=port["airflow_worker_logs"],
        trigger_logs=port["airflow_trigger_logs"],
        scheduler_health=port["airflow_scheduler_health"],
    )


def _without_airflow(given: Mapping[str, str]) -> dict[str, str]:
    """The environment without another Airflow's configuration; connections and variables stay."""
    foreign = ("AIRFLOW__", "AIRFLOW_HOME", "AIRFLOW_CONFIG")
    return {name: value for name, value in given.items() if not name.startswith(foreign)}
