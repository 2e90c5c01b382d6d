"""A real api-server with FabAuthManager: each role logs in and is refused what it should be."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from movie_recommender.local import airflow_server, ports, process

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DAG = "movie_recommender_pipeline"
TASK = "extract_events"
RUN = "by-hand"
ROLES = ("viewer", "operator", "admin")
EVERYBODY, OPERATORS, ADMINS = ROLES, ROLES[1:], ROLES[2:]

REFUSED = httpx.codes.FORBIDDEN


@dataclass
class Airflow:
    """Airflow's API on a database of its own, and a password for each role."""

    home: Path
    url: str
    environment: dict[str, str]
    passwords: dict[str, str] = field(
        default_factory=lambda: {role: f"of-{role}-{os.getpid()}" for role in ROLES}
    )

    def command(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def make_roles(self) -> str:
        for role, password in self.passwords.items():
            self.environment[f"AIRFLOW_{role.upper()}_PASSWORD"] = password
        return self.command(ROOT / "deploy" / "access" / "airflow_roles.py")

    def log_in(self, role: str, password: str | None = None) -> httpx.Response:
        body = {"username": role, "password": password or self.passwords[role]}
        return httpx.post(f"{self.url}/auth/token", json=body, timeout=30)

    def client(self, role: str) -> httpx.Client:
        answer = self.log_in(role)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    port = ports.choose(0)
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("AIRFLOW")}
    own = airflow_server.environment(
        home, ROOT / "dags", airflow_server.AirflowPorts(port, 0, 0, 0)
    )
    manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    airflow = Airflow(
        home,
        f"http://{ports.LOOPBACK}:{port}",
        inherited | own | {"AIRFLOW__CORE__AUTH_MANAGER": manager},
    )
    airflow.command("-m", "airflow", "db", "migrate")
    log = home / "api-server.log"
    server = process.start(
        [sys.executable, "-m", "airflow", "api-server"],
        pidfile=home / "pid",
        log=log,
        # The script makes the roles meanwhile; the server needn't.
        env=airflow.environment | {"AIRFLOW__FAB__UPDATE_FAB_PERMS": "False"},
        cwd=home,
    )
    try:
        airflow.make_roles()
        airflow.command("-m", "airflow", "dags", "reserialize")
        process.wait_until(
            lambda: is_up(airflow.url), server, name="Airflow", log=log, timeout_s=60
        )
        yield airflow
    finally:
        process.end(home / "pid", grace_s=5)


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/version", timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def clients(airflow: Airflow) -> Iterator[dict[str, httpx.Client]]:
    """Each role, logged in; and runs that they act on, which no scheduler takes up."""
    clients = {role: airflow.client(role) for role in ROLES}
    for run in (RUN, "another"):
        body = {"dag_run_id": run, "logical_date": None, "conf": {}}
        made = clients["admin"].post(f"/api/v2/dags/{DAG}/dagRuns", json=body)
        assert made.is_success, made.text
    yield clients
    for client in clients.values():
        client.close()


RUNS = f"/api/v2/dags/{DAG}/dagRuns"
A_RUN: dict[str, Any] = {"logical_date": None, "conf": {}}
CLEAR = f"/api/v2/dags/{DAG}/clearTaskInstances"
CLEARED = {"dry_run": False, "dag_run_id": RUN, "task_ids": [TASK], "only_failed": False}
CONNECTION = {"connection_id": "a_connection", "conn_type": "http", "password": "x"}
VARIABLE = {"key": "GATE_MIN_AUC", "value": "0.8"}
POOL = {"name": "a_pool", "slots": 1}
USER = {
    "username": "eve",
    "password": "x",
    "email": "eve@example.com",
    "first_name": "e",
    "last_name": "v",
    "roles": [{"name": "Admin"}],
}

MAY = [
    ("sees the DAG", "GET", f"/api/v2/dags/{DAG}", None, EVERYBODY),
    ("sees runs", "GET", RUNS, None, EVERYBODY),
    ("sees tasks", "GET", f"{RUNS}/{RUN}/taskInstances", None, EVERYBODY),
    ("reads a log", "GET", f"{RUNS}/{RUN}/taskInstances/{TASK}/logs/1", None, EVERYBODY),
    ("pauses", "PATCH", f"/api/v2/dags/{DAG}", {"is_paused": True}, OPERATORS),
    ("triggers", "POST", RUNS, A_RUN, OPERATORS),
    ("clears", "POST", CLEAR, CLEARED, OPERATORS),
    ("marks a run", "PATCH", f"{RUNS}/{RUN}", {"state": "queued"}, OPERATORS),
    (
        "marks a task",
        "PATCH",
        f"{RUNS}/{RUN}/taskInstances/{TASK}",
        {"new_state": "success"},
        OPERATORS,
    ),
    ("sets a variable", "POST", "/api/v2/variables", VARIABLE, OPERATORS),
    ("reads variables", "GET", "/api/v2/variables", None, OPERATORS),
    ("reads the audit log", "GET", "/api/v2/eventLogs", None, OPERATORS),
    ("reads connections", "GET", "/api/v2/connections", None, ADMINS),
    ("makes a connection", "POST", "/api/v2/connections", CONNECTION, ADMINS),
    ("makes a pool", "POST", "/api/v2/pools", POOL, ADMINS),
    ("reads users", "GET", "/auth/fab/v1/users", None, ADMINS),
    ("makes a user", "POST", "/auth/fab/v1/users", USER, ADMINS),
    ("deletes a run", "DELETE", f"{RUNS}/{RUN}", None, ADMINS),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [pytest.param(*row[1:], id=row[0].replace(" ", "-")) for row in MAY],
)
def test_each_role_may_what_it_should_and_no_more(
    clients: dict[str, httpx.Client],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    allowed: tuple[str, ...],
) -> None:
    # Weakest first: what is refused changes nothing for those who come after.
    found = {role: clients[role].request(method, path, json=body) for role in ROLES}
    refused = {role for role, answer in found.items() if answer.status_code == REFUSED}
    assert refused == set(ROLES) - set(allowed), {r: a.text[:300] for r, a in found.items()}
    first = found[allowed[0]]
    # No scheduler runs here, so a task has no log yet: the route says 404 to whoever may read it.
    assert first.is_success or path.endswith("/logs/1"), first.text


def test_a_cleared_run_keeps_its_deadline(airflow: Airflow, clients: dict[str, Any]) -> None:
    run = clients["admin"].get(f"{RUNS}/another").json()
    assert clients["operator"].post(CLEAR, json=CLEARED | {"dag_run_id": "another"}).is_success
    with contextlib.closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        query = """SELECT deadline_time FROM deadline JOIN dag_run ON dag_run.id = dagrun_id
                   WHERE run_id = 'another'"""
        [(deadline,)] = database.execute(query).fetchall()
    due = datetime.fromisoformat(run["queued_at"]) + timedelta(hours=6)
    assert abs(datetime.fromisoformat(deadline).replace(tzinfo=UTC) - due) < timedelta(seconds=1)


def test_nobody_gets_in_without_a_password(airflow: Airflow) -> None:
    assert httpx.get(f"{airflow.url}/api/v2/dags").status_code == httpx.codes.UNAUTHORIZED
    wrong = airflow.log_in("admin", "not-the-password")
    assert wrong.status_code == httpx.codes.UNAUTHORIZED


def test_the_script_again_undoes_what_was_widened_and_takes_a_new_password(
    airflow: Airflow, clients: dict[str, httpx.Client]
) -> None:
    wide = {"action": {"name": "can_read"}, "resource": {"name": "Connections"}}
    names = ("Viewer", "Operator", "Admin")
    before = {name: rights(clients["admin"], name) for name in names}
    for name in names[:2]:
        set_rights(clients["admin"], name, [wide, *before[name][1:]])
    old, airflow.passwords["operator"] = airflow.passwords["operator"], "another-one"

    airflow.make_roles()
    assert {name: rights(clients["admin"], name) for name in names} == before
    assert airflow.log_in("operator", old).status_code == httpx.codes.UNAUTHORIZED
    with airflow.client("operator") as operator:
        assert operator.get("/api/v2/variables").is_success
        assert operator.get("/api/v2/connections").status_code == REFUSED
    with airflow.client("viewer") as viewer:
        assert viewer.get(RUNS).is_success
        assert viewer.get("/api/v2/connections").status_code == REFUSED


def rights(admin: httpx.Client, role: str) -> list[dict[str, Any]]:
    found = admin.get(f"/auth/fab/v1/roles/{role}").raise_for_status().json()["actions"]
    return sorted(found, key=str)


def set_rights(admin: httpx.Client, role: str, actions: list[dict[str, Any]]) -> None:
    body = {"name": role, "actions": actions}
    answer = admin.patch(f"/auth/fab/v1/roles/{role}", json=body)
    assert answer.is_success, answer.text
