"""The questions to Airflow, answered by a server of the test's; the real one is in
`tests/integration/test_pipeline.py`."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring import dag
from movie_recommender.settings import Settings, load_settings

DAG = "/api/v2/dags/movie_recommender_pipeline"
RUN = {
    "dag_run_id": "manual__1",
    "state": "failed",
    "queued_at": "2026-06-10T02:00:00Z",
    "run_after": "2026-06-10T02:00:00Z",
    "end_date": "2026-06-10T02:04:00Z",
    "duration": 239.5,
}
TASKS = [
    {"task_id": "extract_events", "state": "success", "duration": 12.5},
    {"task_id": "train_model", "state": "failed", "duration": 3.0},
    {"task_id": "deploy_model", "state": None, "duration": None},
]
HEALTH = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor")}


class Airflow(HTTPServer):
    """Answers with `answers`, by path; asks for the token that it gives to the right password."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {
            "/api/v2/monitor/health": {**HEALTH, "triggerer": {"status": None}},
            DAG: {"is_paused": False, "next_dagrun_run_after": "2026-06-11T02:00:00Z"},
            f"{DAG}/dagRuns/manual__1/taskInstances": {"task_instances": TASKS},
        }
        self.runs = {"failed": [RUN], "running": []}

    def settings(self, **others: Any) -> Settings:
        known = {"airflow_api_username": "viewer", "airflow_api_password": "secret"}
        url = f"http://127.0.0.1:{self.server_port}"
        return load_settings(airflow_api_url=url, **{**known, **others})


class _Handler(BaseHTTPRequestHandler):
    server: Airflow

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = body == {"username": "viewer", "password": "secret"}
        self._answer(201 if right else 401, {"access_token": "t"})

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        open_to_all = asked.path == "/api/v2/monitor/health"
        if not open_to_all and self.headers["Authorization"] != "Bearer t":
            self._answer(401, {"detail": "Not authenticated"})
        elif asked.path == f"{DAG}/dagRuns":
            states = parse_qs(asked.query)["state"]
            runs = [run for state in states for run in self.server.runs.get(state, [])]
            self._answer(200, {"dag_runs": runs[:1]})
        else:
            found = self.server.answers.get(asked.path)
            self._answer(200 if found else 404, found or {"detail": "not found"})

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    server = Airflow()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def read(settings: Settings) -> dag.AirflowFacts:
    found = dag.read(settings)
    assert found is not None
    return found


def test_health_runs_and_tasks_are_told(airflow: Airflow) -> None:
    found = read(airflow.settings())
    assert found.healthy == {
        "metadatabase": True,
        "scheduler": True,
        "triggerer": False,
        "dag_processor": True,
    }
    assert (found.paused, found.next_run) == (False, datetime(2026, 6, 11, 2, tzinfo=UTC))
    assert found.running is None
    assert found.last is not None
    assert (found.last.state, found.last.seconds) == ("failed", 239.5)
    assert found.last.failed_tasks == ["train_model"]


def test_a_run_that_is_under_way_is_told_beside_the_last(airflow: Airflow) -> None:
    airflow.runs["running"] = [{**RUN, "state": "running", "end_date": None, "duration": None}]
    found = read(airflow.settings())
    assert found.running is not None
    assert (found.running.state, found.running.ended) == ("running", None)
    assert found.last is not None


def test_a_paused_dag_has_no_next_run(airflow: Airflow) -> None:
    airflow.answers[DAG] = {"is_paused": True, "next_dagrun_run_after": "2026-06-11T02:00:00Z"}
    found = read(airflow.settings())
    assert (found.paused, found.next_run) == (True, None)


def test_without_an_address_airflow_is_left_out() -> None:
    assert dag.read(load_settings()) is None


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_user_whom_airflow_does_not_know_is_told_without_the_password(
    airflow: Airflow, password: str | None
) -> None:
    with pytest.raises(NotReadyError, match="AIRFLOW_API_PASSWORD") as refused:
        dag.read(airflow.settings(airflow_api_password=password))
    assert "wrong" not in str(refused.value)


def test_a_dag_that_is_not_there_is_told(airflow: Airflow) -> None:
    del airflow.answers[DAG]
    with pytest.raises(NotReadyError, match="404: the DAG movie_recommender_pipeline isn't there"):
        dag.read(airflow.settings())


def test_another_program_on_the_port_is_told(airflow: Airflow) -> None:
    airflow.answers["/api/v2/monitor/health"] = {"hello": "world"}
    with pytest.raises(NotReadyError, match="AIRFLOW_API_URL=http"):
        dag.read(airflow.settings())


def test_nobody_there_is_told() -> None:
    with pytest.raises(NotReadyError, match=r"AIRFLOW_API_URL=http://127\.0\.0\.1:9: "):
        dag.read(load_settings(airflow_api_url="http://127.0.0.1:9"))
