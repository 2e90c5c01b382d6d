"""Variables and Connections of a real Airflow database, read by the DAG's real tasks."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from movie_recommender.orchestration import outside
from movie_recommender.orchestration.variables import PREFIX
from movie_recommender.settings import Settings, alert_contacts, load_settings
from tests.unit.orchestration.rooms import Rooms
from tests.unit.orchestration.sinks import SlackSink

pytestmark = pytest.mark.integration  # a real metadata database: slow

SUNDAY = datetime(2025, 6, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        if not name.startswith("alert_"):  # the outbox is each test's own
            monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def operators(airflow_db: None) -> Iterator[Any]:
    """Puts Variables and Connections into Airflow's database, and takes them out at the end."""
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    def put(variables: Mapping[str, str], **connections: dict[str, Any]) -> None:
        with create_session() as session:
            for name, value in variables.items():
                session.add(Variable(f"{PREFIX}{name}", value))
            for conn_id, fields in connections.items():
                session.add(Connection(conn_id=conn_id, **fields))

    yield put
    with create_session() as session:
        session.execute(delete(Variable))
        session.execute(delete(Connection))


def kafka(password: str) -> dict[str, Any]:
    extra = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}
    login = {"login": "me", "password": password, "extra": json.dumps(extra)}
    return {"conn_type": "kafka", "host": "broker.example.com", "port": 9093, **login}


def run(dag: Any, monkeypatch: pytest.MonkeyPatch, command: str) -> tuple[str, dict[str, str], str]:
    monkeypatch.setattr(dag, "deadline", None)  # dag.test() crashes with one: apache/airflow 73428
    for task in dag.tasks:
        monkeypatch.setattr(task, "retries", 0)
    monkeypatch.setattr(dag.task_dict["generate_synthetic_data"], "bash_command", command)
    result = dag.test(logical_date=None, run_after=SUNDAY)
    states = {ti.task_id: str(ti.state) for ti in result.get_task_instances()}
    return str(result.state), states, result.run_id


def test_what_operators_set_reaches_every_task_and_no_secret_is_stored(
    dag: Any, operators: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rooms = Rooms(monkeypatch)
    monkeypatch.setenv("GATE_MIN_NDCG_AT_10", "0.45")
    operators(
        {"GATE_MIN_AUC": "0.6", "GATE_MIN_NDCG_AT_10": "0.1", "SIMULATION_USERS": "77"},
        kafka_default=kafka("hunter2-secret"),
        mlflow_default={"conn_type": "http", "host": "mlflow.example.com", "schema": "https"},
    )
    state, _, run_id = run(dag, monkeypatch, f"env -0 > {tmp_path}/environment")
    assert state == "success"
    judged = rooms.settings["evaluation"]
    assert judged.gate_min_auc == 0.6
    assert judged.gate_min_ndcg_at_10 == 0.45
    assert judged.source("gate_min_ndcg_at_10") == "environment"
    assert judged.mlflow_tracking_uri == "https://mlflow.example.com"
    assert rooms.settings["extract"].kafka_bootstrap_servers == "broker.example.com:9093"
    given = dict(
        line.split("=", 1) for line in (tmp_path / "environment").read_text().split("\0") if line
    )
    for name in ("SIMULATION_USERS", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SASL_PASSWORD"):
        monkeypatch.setenv(name, given[name])
    there = load_settings()
    assert there.simulation_users == 77
    assert there.kafka_bootstrap_servers == "broker.example.com:9093"
    assert given["KAFKA_SASL_PASSWORD"] == "hunter2-secret"
    assert "hunter2-secret" not in stored(run_id)


def stored(run_id: str) -> str:
    """What Airflow keeps of the run's tasks: rendered templates and XCom."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        fields = RenderedTaskInstanceFields.rendered_fields
        rendered = session.scalars(
            select(fields).where(RenderedTaskInstanceFields.run_id == run_id)
        ).all()
        results = session.scalars(select(XComModel.value).where(XComModel.run_id == run_id)).all()
    assert any("bash_command" in each for each in rendered)
    return f"{rendered} {results}"


@pytest.mark.parametrize("name", ["GATE_MIN_AUC", "GATE_MIN_ACU", "KAFKA_SASL_PASSWORD"])
def test_a_wrong_variable_fails_the_first_task_at_once(
    dag: Any, operators: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rooms = Rooms(monkeypatch)
    operators({name: "2"})
    state, tasks, _ = run(dag, monkeypatch, "true")
    assert state == tasks["generate_synthetic_data"] == "failed"
    assert rooms.settings == {}


def test_the_command_line_sees_what_tasks_see(
    operators: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators({"GATE_MIN_AUC": "0.6", "GATE_MIN_ACU": "0.6"}, kafka_default=kafka("hunter2"))
    found = outside.look()
    assert found.missing is None
    settings = load_settings(*found.layers)
    assert settings.gate_min_auc == 0.6
    assert settings.source("gate_min_auc") == "Airflow Variable"
    assert settings.source("kafka_sasl_password") == "Airflow Connection"
    [problem] = found.problems
    assert "did you mean GATE_MIN_AUC?" in problem


def test_a_database_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "TIMEOUT_S", 0.0)
    assert "doesn't answer within 0 s" in str(outside.look().missing)
    for name in outside._ITS_OWN:
        monkeypatch.delenv(name, raising=False)
    assert "no Airflow is set up here" in str(outside.look().missing)


def test_a_late_run_is_found_and_recorded_once_in_airflows_own_tables(
    dag: Any, operators: Any, slack: SlackSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    from movie_recommender.orchestration import airflow_state
    from movie_recommender.orchestration.delivery import Post
    from movie_recommender.orchestration.limits import CurrentSlas
    from movie_recommender.orchestration.watcher import Watcher

    monkeypatch.setattr(dag, "deadline", None)
    run_id = dag.test(mark_success_pattern=".*").run_id
    with create_session() as session:
        waits = {"state": "running", "queued_at": SUNDAY}
        session.execute(update(DagRun).where(DagRun.run_id == run_id).values(**waits))
    operators({"SLA_RUN": "30min"})
    [run] = airflow_state.open_runs(dag.dag_id)
    assert run.run_started == SUNDAY
    limits, contacts = CurrentSlas(airflow_state.variables), alert_contacts()
    for _ in range(2):  # the second with what is recorded as its only memory
        watcher = Watcher(airflow_state, contacts, Post(contacts), limits)
        watcher.sweep(SUNDAY + timedelta(minutes=31))
    [text] = slack.texts
    assert run_id in text
    with create_session() as session:
        session.execute(update(DagRun).where(DagRun.run_id == run_id).values(state="success"))
