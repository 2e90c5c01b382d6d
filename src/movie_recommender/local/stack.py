"""The servers of one machine: started in parallel, reused while they are well, ended together."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from movie_recommender.errors import NotReadyError
from movie_recommender.local import airflow_server, broker, mlflow_server, ports, process
from movie_recommender.local import sink as sink_server
from movie_recommender.local.airflow_api import AirflowApi
from movie_recommender.local.airflow_server import AirflowPorts
from movie_recommender.settings import Settings

STATE = "stack.json"
SERVICES = ("kafka", "mlflow", "sink", "airflow")

_PREFERRED = {
    "kafka": 9092,
    "kafka_controller": 9093,
    "mlflow": 5000,
    "sink": 8025,
    "smtp": 1025,
    "airflow": 8080,
    "airflow_worker_logs": 8793,
    "airflow_trigger_logs": 8794,
    "airflow_scheduler_health": 8974,
}
_OWNER = {name: name.partition("_")[0] for name in _PREFERRED} | {"smtp": "sink"}


@dataclass(frozen=True)
class Endpoints:
    """Where the servers answer."""

    kafka: str
    mlflow: str
    sink: str
    airflow: str


@dataclass
class _State:
    """What a later call must know to find and judge the servers."""

    ports: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)


class Stack:
    """The servers whose data lies in `var`.

    Args:
        var: directory for everything that the servers keep.
        dags: Airflow's DAG folder.
        given: the caller's environment; servers it names are used and not started.
    """

    def __init__(self, var: Path, dags: Path, given: Mapping[str, str]) -> None:
        self.var = var.resolve()
        self.dags = dags.resolve()
        self.started: list[str] = []
        """Servers that this object started."""
        self._given = dict(given)

    @property
    def messages(self) -> Path:
        """The file in which the sink keeps what was sent."""
        return self.var / "sink" / sink_server.MESSAGES

    def up(
        self, settings: Settings, environment: Mapping[str, str], *, say: Callable[[str], None]
    ) -> Endpoints:
        """Start what doesn't run or isn't well; return when all is healthy.

        Args:
            settings: the process's settings.
            environment: settings for the pipeline's tasks; Airflow starts anew when they change.
            say: gets a line for each server.

        Raises:
            NotReadyError: a server can't be started or doesn't get healthy; names it and shows its
                log's last lines.
        """
        self.var.mkdir(parents=True, exist_ok=True)
        state = self._read()
        external = self._external(settings)
        self._choose_ports(state, external)
        endpoints = self._endpoints(state, external, settings)
        steps = {
            "kafka": lambda: self._kafka(state, endpoints),
            "mlflow": lambda: self._mlflow(state, endpoints),
            "sink": lambda: self._sink(state, endpoints),
            "airflow": lambda: self._airflow(state, endpoints, environment),
        }
        with ThreadPoolExecutor(len(steps)) as pool:
            futures = {
                name: pool.submit(step) for name, step in steps.items() if name not in external
            }
            for name in SERVICES:
                how = futures[name].result() if name in futures else "in use, yours"
                say(f"{name:8} {getattr(endpoints, name)}  ({how})")
        return endpoints

    def down(self, names: tuple[str, ...] | list[str] = SERVICES) -> list[str]:
        """End these servers, Airflow first; the names of those that ran."""
        ordered = [name for name in reversed(SERVICES) if name in names]
        return [name for name in ordered if process.end(self._pidfile(name))]

    def _pidfile(self, name: str) -> Path:
        return self.var / f"{name}.pid"

    def _external(self, settings: Settings) -> set[str]:
        """Servers of the user's: those his environment names, and a broker that already answers."""
        external = set()
        if "KAFKA_BOOTSTRAP_SERVERS" in self._given:
            _require_broker(settings.kafka_bootstrap_servers)
            external.add("kafka")
        elif not process.running(self._pidfile("kafka")) and broker.answers(
            settings.kafka_bootstrap_servers, timeout_s=1.0
        ):
            external.add("kafka")
        if "MLFLOW_TRACKING_URI" in self._given:
            if not mlflow_server.answers(settings.mlflow_tracking_uri, timeout_s=10.0):
                message = (
                    f"No MLflow server answers at MLFLOW_TRACKING_URI="
                    f"{settings.mlflow_tracking_uri}. Start it, or unset the variable to get a "
                    "local one."
                )
                raise NotReadyError(message)
            external.add("mlflow")
        return external

    def _choose_ports(self, state: _State, external: set[str]) -> None:
        """Keep a running server's ports; choose free ones for the others."""
        for name, preferred in _PREFERRED.items():
            owner = _OWNER[name]
            if owner in external or (name in state.ports and process.running(self._pidfile(owner))):
                continue
            others = frozenset(port for key, port in state.ports.items() if key != name)
            state.ports[name] = ports.choose(preferred, taken=others)
        self._write(state)

    def _endpoints(self, state: _State, external: set[str], settings: Settings) -> Endpoints:
        def url(name: str) -> str:
            return f"http://{ports.LOOPBACK}:{state.ports[name]}"

        own_broker = f"{ports.LOOPBACK}:{state.ports.get('kafka')}"
        return Endpoints(
            kafka=settings.kafka_bootstrap_servers if "kafka" in external else own_broker,
            mlflow=settings.mlflow_tracking_uri if "mlflow" in external else url("mlflow"),
            sink=url("sink"),
            airflow=url("airflow"),
        )

    def _kafka(self, state: _State, endpoints: Endpoints) -> str:
        directory = self.var / "kafka"

        def launch() -> process.Child:
            return broker.start(
                broker.install(self.var / "cache" / "kafka"),
                directory,
                port=state.ports["kafka"],
                controller_port=state.ports["kafka_controller"],
                pidfile=self._pidfile("kafka"),
            )

        def healthy() -> bool:
            return broker.answers(endpoints.kafka)

        return self._ensure("kafka", launch, healthy, log=directory / broker.LOG, timeout_s=60)

    def _mlflow(self, state: _State, endpoints: Endpoints) -> str:
        directory = self.var / "mlflow"

        def launch() -> process.Child:
            return mlflow_server.start(
                directory, port=state.ports["mlflow"], pidfile=self._pidfile("mlflow")
            )

        def healthy() -> bool:
            return mlflow_server.answers(endpoints.mlflow)

        log = directory / mlflow_server.LOG
        return self._ensure("mlflow", launch, healthy, log=log, timeout_s=120)

    def _sink(self, state: _State, endpoints: Endpoints) -> str:
        directory = self.var / "sink"
        directory.mkdir(parents=True, exist_ok=True)
        log = directory / "sink.log"

        def launch() -> process.Child:
            return process.start(
                [
                    *(sys.executable, "-m", "movie_recommender.local.sink"),
                    *("--directory", directory),
                    *("--http-port", str(state.ports["sink"])),
                    *("--smtp-port", str(state.ports["smtp"])),
                ],
                pidfile=self._pidfile("sink"),
                log=log,
                env=os.environ,
                cwd=directory,
            )

        def healthy() -> bool:
            try:
                return httpx.get(f"{endpoints.sink}/messages", timeout=2.0).is_success
            except httpx.HTTPError:
                return False

        return self._ensure("sink", launch, healthy, log=log, timeout_s=60)

    def _airflow(self, state: _State, endpoints: Endpoints, environment: Mapping[str, str]) -> str:
        home = self.var / "airflow"
        configured = {
            **{name: value for name, value in self._given.items() if _configures(name)},
            **environment,
            "KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka,
            "MLFLOW_TRACKING_URI": endpoints.mlflow,
            **airflow_server.connections(
                slack_url=endpoints.sink, smtp_port=state.ports["smtp"], given=self._given
            ),
            **airflow_server.environment(
                home,
                self.dags,
                AirflowPorts(
                    api=state.ports["airflow"],
                    worker_logs=state.ports["airflow_worker_logs"],
                    trigger_logs=state.ports["airflow_trigger_logs"],
                    scheduler_health=state.ports["airflow_scheduler_health"],
                ),
            ),
        }
        fingerprint = hashlib.sha256(json.dumps(configured, sort_keys=True).encode()).hexdigest()
        if state.fingerprints.get("airflow") != fingerprint:
            process.end(self._pidfile("airflow"))
        state.fingerprints["airflow"] = fingerprint
        self._write(state)
        api = AirflowApi(endpoints.airflow)

        def launch() -> process.Child:
            env = {**self._given, **configured}
            return airflow_server.start(home, env, pidfile=self._pidfile("airflow"))

        def healthy() -> bool:
            return all(api.health().values())

        log = home / airflow_server.LOG
        return self._ensure("airflow", launch, healthy, log=log, timeout_s=180)

    def _ensure(
        self,
        name: str,
        launch: Callable[[], process.Child],
        healthy: Callable[[], bool],
        *,
        log: Path,
        timeout_s: float,
    ) -> str:
        pidfile = self._pidfile(name)
        if process.running(pidfile):
            if healthy():
                return "runs already"
            process.end(pidfile)
            how = "was not well, started anew"
        else:
            how = "started"
        self.started.append(name)
        child = launch()
        process.wait_until(healthy, child, name=name, log=log, timeout_s=timeout_s)
        return how

    def _read(self) -> _State:
        path = self.var / STATE
        try:
            return _State(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            # Lost or from another version: nobody knows the servers' ports any more. Their pid files
            # still find them.
            self.down()
            return _State()

    def _write(self, state: _State) -> None:
        path = self.var / STATE
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(state), indent=2))
        temporary.replace(path)


def _configures(name: str) -> bool:
    """Whether this environment variable means something to the pipeline or to Airflow."""
    return name.startswith("AIRFLOW_") or name.lower() in Settings.model_fields


def _require_broker(servers: str) -> None:
    if not broker.answers(servers, timeout_s=10.0):
        message = (
            f"No Kafka broker answers at KAFKA_BOOTSTRAP_SERVERS={servers} within 10 s. Start it, "
            "correct the variable, or unset it to get a local broker."
        )
        raise NotReadyError(message)
