"""A real Airflow, each component a process of its own, with a way between tasks and its API."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from movie_recommender.local import airflow_server, ports, process
from movie_recommender.local.airflow_api import AirflowApi, Record
from movie_recommender.local.airflow_server import AirflowPorts
from movie_recommender.local.follow import DAG_ID
from tests.faulty_proxy import FaultyProxy

COMPONENTS = ("api-server", "scheduler", "dag-processor")
DAGS = Path(__file__).parent.parent / "dags"

SOONER = {
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 15,
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 1,
    "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
    "WORKERS__EXECUTION_API_RETRIES": 2,
    "WORKERS__EXECUTION_API_TIMEOUT": 60,
    "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": 0.5,
}
"""Of Airflow's configuration: what is dead is found within seconds instead of minutes, an API that
refuses is given up soon, and one that is only slow isn't."""


class AirflowProcesses:
    """API server, scheduler and DAG processor, with the scheduler's tasks, on free ports.

    Args:
        home: Airflow's home.
        environment: of the tasks: settings and connections.

    Attributes:
        api: its public API.
        tasks_api: what stands between its tasks and the API that they ask.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        chosen: set[int] = set()
        for _ in range(4):
            chosen.add(ports.choose(0, taken=frozenset(chosen)))
        own = airflow_server.environment(home, DAGS, AirflowPorts(*chosen))
        # The suite's own Airflow settings are not this one's.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        sooner = {f"AIRFLOW__{name}": str(value) for name, value in SOONER.items()}
        self._url = own["AIRFLOW__API__BASE_URL"]
        self.api = AirflowApi(self._url)
        self.tasks_api = FaultyProxy(self._url, late_s=0)
        asked = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.tasks_api.url}/execution/"}
        self._environment = {**inherited, **own, **sooner, **asked, **environment}

    def __enter__(self) -> Self:
        try:
            self._migrate()
            for component in COMPONENTS:
                self.start(component)
            self._wait_for_the_dag()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, component: str) -> None:
        """Start one component."""
        process.start(
            [sys.executable, "-m", "airflow", component],
            pidfile=self._pidfile(component),
            log=self._log(component),
            env=self._environment,
            cwd=self.home,
        )

    def kill(self, component: str) -> None:
        """End it and everything that it started, as a power cut does."""
        for each in process.running(self._pidfile(component)):
            each.kill()

    def stop(self) -> None:
        """End everything."""
        self.api.close()
        for component in COMPONENTS:
            process.end(self._pidfile(component), grace_s=5)
        self.tasks_api.close()

    def connect(self, conn_id: str, **fields: object) -> None:
        """Add a Connection, as on Airflow's page."""
        token = httpx.get(f"{self._url}/auth/token").json()["access_token"]
        answer = httpx.post(
            f"{self._url}/api/v2/connections",
            json={"connection_id": conn_id, **fields},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.is_success, answer.text

    def tasks(self, run_id: str) -> dict[str, Record]:
        """The run's task instances by their ids."""
        return {task["task_id"]: task for task in self.api.tasks(DAG_ID, run_id)}

    def logs(self) -> str:
        """The last lines of what the components have said."""
        return "\n".join(
            f"{component}:\n{process.last_lines(self._log(component), 40)}"
            for component in COMPONENTS
        )

    def _migrate(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        log = self._log("migrate")
        with log.open("wb") as output:
            subprocess.run(command, env=self._environment, check=True, stdout=output, stderr=output)

    def _wait_for_the_dag(self) -> None:
        def ready() -> bool:
            return self.api.health()["scheduler"] and self.api.dag(DAG_ID) is not None

        assert process.wait(ready, timeout_s=90), f"{self.api.import_errors()}\n{self.logs()}"

    def _pidfile(self, component: str) -> Path:
        return self.home / f"{component}.pid"

    def _log(self, component: str) -> Path:
        return self.home / f"{component}.log"
