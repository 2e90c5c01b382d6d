"""deploy/compose.yaml, its containers' commands as plain processes: all turn healthy."""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from movie_recommender.local import ports, process
from movie_recommender.orchestration import DAG_ID
from tests.foreign_images import psql, start_kafka, start_postgres
from tests.plain_processes import PlainProcesses

pytestmark = pytest.mark.integration

SERVERS = (
    *("mlflow", "serving", "exporter"),
    *("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"),
)
SMALL_WORLD = {
    "SIMULATION_USERS": "40",
    "SIMULATION_MOVIES": "40",
    "SIMULATION_HISTORY_DAYS": "1",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainProcesses]:
    """The composition, healthy: every service but those of a profile, and the exporter."""
    found = PlainProcesses(tmp_path_factory.mktemp("composition"), {"MLFLOW_WORKERS": "1"})
    # A folder that PostgreSQL's user may enter.
    with tempfile.TemporaryDirectory(prefix="movie-recommender-") as home:
        try:
            start_kafka(found)
            found.start("s3")
            start_postgres(found, Path(home))
            found.wait("kafka", "s3")
            found.run("mlflow-database")
            found.start("mlflow")
            with ThreadPoolExecutor() as pool:
                migrated = pool.submit(found.run, "airflow-init")
                found.wait("mlflow")
                found.run("mlflow-init")
                migrated.result()
            for name in SERVERS[1:]:
                found.start(name)
            found.wait(*SERVERS)
            yield found
        finally:
            found.stop()


def test_nothing_was_left_out(plain: PlainProcesses) -> None:
    named = {name for name, each in plain.services.items() if "profiles" not in each}
    assert named == {
        *("postgres", "kafka", "s3", "airflow-init", "mlflow-database", "mlflow-init"),
        *(set(SERVERS) - {"exporter"}),
    }


def test_everything_is_healthy_at_once(plain: PlainProcesses) -> None:
    watched = ("postgres", "kafka", "s3", *SERVERS)
    assert {name: plain.healthy(name) for name in watched} == dict.fromkeys(watched, True)


def test_the_dag_is_read(plain: PlainProcesses) -> None:
    def read() -> str:
        query = "SELECT dag_id, has_import_errors, is_paused FROM dag"
        return psql(plain, f'psql -At -U postgres -c "{query}"', database="airflow").strip()

    assert process.wait(lambda: bool(read()), timeout_s=60)
    assert read() == f"{DAG_ID}|f|t"


def test_people_sign_in_and_may_what_their_role_may(plain: PlainProcesses) -> None:
    url = f"http://{ports.LOOPBACK}:{plain.ports[8080]}"
    secret = (plain.directory / "secrets" / "airflow_viewer_password").read_text()
    given = {"username": "viewer", "password": secret}
    with httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/api/v2/dags").status_code == 401
        token = client.post("/auth/token", json=given).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get(f"/api/v2/dags/{DAG_ID}").is_success
        run = client.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json={"logical_date": None})
        assert run.status_code == 403


def test_events_go_from_kafka_into_the_bucket(plain: PlainProcesses) -> None:
    daily = ("python", "-m", "movie_recommender.simulation", "daily", "--date", "2026-03-10")
    plain.run("cli", *daily, **SMALL_WORLD)
    landed = json.loads(plain.run("cli", "movie-recommender", "extract"))
    assert landed["rows"]["interactions"] > 0
    assert list((plain.directory / "buckets" / "events" / "lake").rglob("*.parquet"))


def test_mlflow_keeps_its_files_in_the_bucket(plain: PlainProcesses) -> None:
    url = f"http://{ports.LOOPBACK}:{plain.ports[5000]}"
    artifact = "/api/2.0/mlflow-artifacts/artifacts/0/a/file"
    secret = (plain.directory / "secrets" / "mlflow_pipeline_password").read_text()
    assert httpx.put(url + artifact, content=b"content", timeout=30).status_code == 401
    signed_in = httpx.BasicAuth("pipeline", secret)
    assert httpx.put(url + artifact, content=b"content", timeout=30, auth=signed_in).is_success
    (stored,) = (plain.directory / "buckets" / "mlflow").rglob("file")
    assert stored.read_bytes() == b"content"
    foreign = httpx.get(f"{url}/api/2.0/mlflow/experiments/get", headers={"Host": "evil.example"})
    assert foreign.status_code == 403


def test_no_log_shows_a_secret(plain: PlainProcesses) -> None:
    secrets = [path.read_text() for path in (plain.directory / "secrets").iterdir()]
    for log in (plain.directory / "log").iterdir():
        content = log.read_text(errors="replace")
        assert content or log.name in {"kafka", "postgres"}
        assert not [secret for secret in secrets if secret and secret in content], log.name
