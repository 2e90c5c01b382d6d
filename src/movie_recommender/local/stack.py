"""The servers of one machine: started in parallel, reused while they are well, ended together."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

from movie_recommender import kafka
from movie_recommender.errors import NotReadyError
from movie_recommender.local import airflow_server, broker, mlflow_server, ports, process, services
from movie_recommender.local import sink as sink_server
from movie_recommender.local.services import PORT_OWNER, PREFERRED_PORTS, Service
from movie_recommender.settings import Settings

STATE = "stack.json"
SERVICES = ("kafka", "mlflow", "sink", "serving", "airflow")

_ATTEMPTS = 3
_REUSE_S = 5.0
"""How long a server that runs may take to answer before it is started anew."""


@dataclass(frozen=True)
class Endpoints:
    """Where the servers answer."""

    kafka: str
    mlflow: str
    sink: str
    serving: str
    airflow: str


@dataclass
class _State:
    """What a later call must know to find and judge the servers."""

    ports: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)


class PortTakenError(NotReadyError):
    """Another program took a server's port between the choice and the start."""


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
        self._services: list[Service] = []

    @property
    def messages(self) -> Path:
        """The file in which the sink keeps what was sent."""
        return self.var / "sink" / sink_server.MESSAGES

    def up(
        self, settings: Settings, environment: Mapping[str, str], *, say: Callable[[str], None]
    ) -> Endpoints:
        """Start what doesn't run or isn't well; return when all is healthy.

        The first failure ends the wait for the others. A server whose port is taken by another
        program while it starts gets another one.

        Args:
            settings: the process's settings.
            environment: settings for the pipeline's tasks and for serving, which start anew when
                they change.
            say: gets a line for each server as it gets ready.

        Raises:
            NotReadyError: a server can't be started or doesn't get healthy; names it and shows its
                log's last lines.
        """
        self.var.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._up(settings, environment, say)
            except PortTakenError as error:
                say(str(error))
        return self._up(settings, environment, say)

    def _up(
        self, settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> Endpoints:
        state = self._read()
        external = self._external(settings)
        self._choose_ports(state, external)
        endpoints = _endpoints(state, external, settings)
        for name in sorted(external):
            say(f"{name:8} {getattr(endpoints, name)}  (in use, yours)")
        self._services = self._own(state, endpoints, environment, external, say)
        give_up = threading.Event()
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            futures = {pool.submit(self._ensure, s, state, give_up): s.name for s in self._services}
            try:
                for future in as_completed(futures):
                    name = futures[future]
                    say(f"{name:8} {getattr(endpoints, name)}  ({future.result()})")
            finally:
                give_up.set()
        return endpoints

    def check(self) -> None:
        """Return when every server of this stack still runs with all its processes.

        Raises:
            NotReadyError: one has ended or lost a process; shows its log's last lines.
        """
        for service in self._services:
            if not process.intact(self._pidfile(service.name)):
                message = (
                    f"{service.name} has ended or lost one of its processes. Last lines of "
                    f"{service.log}:\n{process.last_lines(service.log)}\n"
                    "Run again: it is started anew, and the pipeline repeats its steps safely."
                )
                raise NotReadyError(message)

    def down(self, names: tuple[str, ...] | list[str] = SERVICES) -> list[str]:
        """End these servers, Airflow first; the names of those that ran."""
        ordered = [name for name in reversed(SERVICES) if name in names]
        return [name for name in ordered if process.end(self._pidfile(name))]

    def _pidfile(self, name: str) -> Path:
        return self.var / f"{name}.pid"

    def _external(self, settings: Settings) -> set[str]:
        """Servers of the user's: those his environment names, and a broker that already answers.

        The broker of another checkout's stack is nobody's to rely on.
        """
        external = set()
        if self._given.get("KAFKA_BOOTSTRAP_SERVERS"):
            kafka.partitions(settings.model_copy(update={"kafka_timeout_s": 10.0}))
            external.add("kafka")
        elif not process.of_any_stack(PREFERRED_PORTS["kafka"]) and broker.answers(
            settings.kafka_bootstrap_servers, timeout_s=1.0
        ):
            external.add("kafka")
        if self._given.get("MLFLOW_TRACKING_URI"):
            if not mlflow_server.answers(settings.mlflow_tracking_uri, timeout_s=10.0):
                message = (
                    f"No MLflow server answers at MLFLOW_TRACKING_URI="
                    f"{settings.mlflow_tracking_uri} within 10 s. Start it, correct the variable, "
                    "or unset it to get a local one."
                )
                raise NotReadyError(message)
            external.add("mlflow")
        if self._given.get("SERVING_URL"):
            if not services.serving_answers(settings.serving_url, timeout_s=10.0):
                message = (
                    f"No server of recommendations answers at SERVING_URL={settings.serving_url} "
                    "within 10 s. Start it, correct the variable, or unset it to get a local one."
                )
                raise NotReadyError(message)
            external.add("serving")
        return external

    def _choose_ports(self, state: _State, external: set[str]) -> None:
        """Keep a running server's ports; choose free ones for the others.

        While a part of the stack runs, it knows the others by the ports that they had.
        """
        runs = {name for name in SERVICES if process.running(self._pidfile(name))}
        for name, preferred in PREFERRED_PORTS.items():
            owner = PORT_OWNER[name]
            if owner in external or (name in state.ports and owner in runs):
                continue
            wanted = state.ports.get(name, preferred) if runs else preferred
            others = frozenset(port for key, port in state.ports.items() if key != name)
            state.ports[name] = ports.choose(wanted, taken=others)
        self._write(state)

    def _own(
        self,
        state: _State,
        endpoints: Endpoints,
        environment: Mapping[str, str],
        external: set[str],
        say: Callable[[str], None],
    ) -> list[Service]:
        """The servers that are this stack's to run; those whose settings changed are ended."""
        common = self._common_environment(endpoints, environment)
        configured = self._airflow_environment(state, endpoints, common)
        for name, of_it in (("serving", common), ("airflow", configured)):
            self._end_if_changed(state, name, of_it)
        makers: dict[str, Callable[[Path], Service]] = {
            "kafka": lambda pidfile: services.kafka(self.var, state.ports, pidfile, say=say),
            "mlflow": lambda pidfile: services.mlflow(self.var, state.ports, pidfile),
            "sink": lambda pidfile: services.sink(self.var, state.ports, pidfile),
            "serving": lambda pidfile: services.serving(
                self.var, state.ports, pidfile, environment=common
            ),
            "airflow": lambda pidfile: services.airflow(
                self.var, state.ports, pidfile, environment=configured, given=self._given
            ),
        }
        return [makers[n](self._pidfile(n)) for n in SERVICES if n not in external]

    def _end_if_changed(self, state: _State, name: str, environment: Mapping[str, str]) -> None:
        text = json.dumps(environment, sort_keys=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        if state.fingerprints.get(name) != fingerprint:
            process.end(self._pidfile(name))
            state.fingerprints[name] = fingerprint
            self._write(state)

    def _common_environment(
        self, endpoints: Endpoints, environment: Mapping[str, str]
    ) -> dict[str, str]:
        """The settings of every process of this package."""
        return {
            **{name: value for name, value in self._given.items() if _configures(name)},
            **environment,
            "KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka,
            "MLFLOW_TRACKING_URI": endpoints.mlflow,
            "SERVING_URL": endpoints.serving,
        }

    def _airflow_environment(
        self, state: _State, endpoints: Endpoints, common: Mapping[str, str]
    ) -> dict[str, str]:
        return {
            **common,
            **airflow_server.connections(
                slack_url=endpoints.sink, smtp_port=state.ports["smtp"], given=self._given
            ),
            **airflow_server.environment(
                self.var / "airflow", self.dags, services.airflow_ports(state.ports)
            ),
        }

    def _ensure(self, service: Service, state: _State, give_up: threading.Event) -> str:
        """Have the server run and be well; what had to be done for it."""
        pidfile = self._pidfile(service.name)

        def ours() -> bool:
            return service.healthy() and process.listens(pidfile, service.port)

        if process.intact(pidfile) and process.wait(ours, timeout_s=_REUSE_S):
            return "runs already"
        how = "was not well, started anew" if process.end(pidfile) else "started"
        if give_up.is_set():
            return "given up"
        self.started.append(service.name)
        child = service.launch()
        try:
            process.wait_until(
                ours,
                child,
                name=service.name,
                log=service.log,
                timeout_s=service.timeout_s,
                give_up=give_up,
            )
        except NotReadyError as error:
            process.end(pidfile)
            if not give_up.is_set():
                _explain_ports(service.name, state, error)
            raise
        return how

    def _read(self) -> _State:
        path = self.var / STATE
        try:
            return _State(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            # Lost or from another version: servers are found by their pid files all the same, and
            # get new ports after they were ended here.
            self.down()
            return _State()

    def _write(self, state: _State) -> None:
        path = self.var / STATE
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(state), indent=2))
        temporary.replace(path)


def _explain_ports(name: str, state: _State, error: NotReadyError) -> None:
    """Raise where the server, which has ended, failed because another program has its port."""
    own = [port for key, port in state.ports.items() if PORT_OWNER[key] == name]
    taken = [str(port) for port in own if not ports.is_free(port)]
    if taken:
        message = f"{name}: another program took port {', '.join(taken)} while it started"
        raise PortTakenError(message) from error


def _endpoints(state: _State, external: set[str], settings: Settings) -> Endpoints:
    def url(name: str) -> str:
        return f"http://{ports.LOOPBACK}:{state.ports[name]}"

    own_broker = f"{ports.LOOPBACK}:{state.ports.get('kafka')}"
    return Endpoints(
        kafka=settings.kafka_bootstrap_servers if "kafka" in external else own_broker,
        mlflow=settings.mlflow_tracking_uri if "mlflow" in external else url("mlflow"),
        sink=url("sink"),
        serving=settings.serving_url if "serving" in external else url("serving"),
        airflow=url("airflow"),
    )


def _configures(name: str) -> bool:
    """Whether this environment variable means something to the pipeline or its connections."""
    return name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")) or (
        name.lower() in Settings.model_fields
    )
