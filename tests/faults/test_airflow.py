"""A real Airflow fails while the real DAG is at work: the run ends as if nothing had been.

`disturbed_run` tells the story, once; the tests look at what it has left. There is no triggerer:
nothing here is late.
"""

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller

from movie_recommender import extract, features
from movie_recommender.features import FeatureStore
from movie_recommender.lake import TABLES, Lake
from movie_recommender.local import ports
from movie_recommender.local.airflow_api import Record
from movie_recommender.local.follow import DAG_ID, start_run
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings, load_settings
from tests.airflow_processes import AirflowProcesses
from tests.serving_process import ServingProcess
from tests.unit.orchestration.sinks import MailSink, SlackSink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SMALL = {
    "simulation_users": 250,
    "simulation_movies": 200,
    "simulation_history_days": 10,
    "training_epochs": 4,
    "gate_min_auc": 0,
    "gate_min_ndcg_at_10": 0,
    "gate_min_hit_rate_at_10": 0,
    "gate_min_coverage": 0,
    "retry_delay_s": 1,
}
"""A world that is soon done, and a gate that lets its model through."""


@dataclass(frozen=True)
class DisturbedRun:
    """A run that has ended, and what was seen meanwhile.

    Attributes:
        run: as Airflow tells it.
        tasks: the same by task id.
        results: what each task returned.
        unread: what the first task said when it couldn't read a Connection.
        rows_at_kill: interactions in the lake when their extraction was killed.
        promoting: the state of `deploy_model` when it was killed, production having moved.
    """

    run: Record
    tasks: Mapping[str, Record]
    results: Mapping[str, Any]
    unread: list[str]
    rows_at_kill: int
    promoting: str


@pytest.fixture(scope="module")
def settings(kafka: str, mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("world")
    name = f"t{uuid.uuid4().hex[:8]}"
    return load_settings(
        kafka_bootstrap_servers=kafka,
        kafka_topic_prefix=f"{name}.",
        data_lake_path=str(directory / "lake"),
        feature_store_path=directory / "features" / "feature_store.duckdb",
        mlflow_tracking_uri=mlflow,
        model_name=name,
        **SMALL,
    )


@pytest.fixture(scope="module")
def serving(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServingProcess]:
    """It takes up a version slowly enough for its promotion to be killed meanwhile."""
    directory = tmp_path_factory.mktemp("serving")
    with ServingProcess(settings, directory, serving_reload_s=3, serving_workers=1) as server:
        yield server


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackSink]:
    sink = SlackSink()
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def mail() -> Iterator[tuple[MailSink, int]]:
    sink, port = MailSink(), ports.choose(0)
    controller = Controller(sink, hostname=ports.LOOPBACK, port=port)
    controller.start()
    yield sink, port
    controller.stop()


@pytest.fixture(scope="module")
def airflow(
    settings: Settings,
    serving: ServingProcess,
    slack: SlackSink,
    mail: tuple[MailSink, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowProcesses]:
    given = {name: settings.source(name) for name in Settings.model_fields}
    environment = {
        name.upper(): str(getattr(settings, name))
        for name, source in given.items()
        if source == "argument"
    }
    del environment["KAFKA_BOOTSTRAP_SERVERS"]  # a Connection has it
    environment["SERVING_URL"] = serving.url
    environment |= {
        f"AIRFLOW_CONN_{name}": json.dumps(connection)
        for name, connection in {
            "SLACK_DEFAULT": {
                "conn_type": "http",
                "host": f"http://{ports.LOOPBACK}:{slack.port}/services",
                "password": "T/B/a-secret",
            },
            "SMTP_DEFAULT": {
                "conn_type": "smtp",
                "host": ports.LOOPBACK,
                "port": mail[1],
                "extra": {"from_email": "a@example.com", "disable_ssl": True, "disable_tls": True},
            },
        }.items()
    }
    with AirflowProcesses(tmp_path_factory.mktemp("airflow"), environment) as started:
        host, _, port = settings.kafka_bootstrap_servers.partition(":")
        started.connect("kafka_default", conn_type="kafka", host=host, port=int(port))
        yield started


def until(
    condition: Callable[[], Any], airflow: AirflowProcesses, *, timeout_s: float = 240
) -> Any:
    """What the condition came to, as soon as it holds."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, airflow.logs()
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def disturbed_run(airflow: AirflowProcesses, settings: Settings) -> DisturbedRun:
    # Airflow's API fails when the first task asks it for Kafka's Connection.
    with airflow.tasks_api.failing("refused", 1, only="/connections/kafka_default"):
        run_id = start_run(airflow.api, conf={}, airflow_began=None, say=lambda _: None)

        def task(task_id: str) -> Record:
            return airflow.tasks(run_id).get(task_id, {})

        until(lambda: task("generate_synthetic_data").get("state") == "up_for_retry", airflow)
    unread = airflow.api.errors(DAG_ID, run_id, "generate_synthetic_data", 1)

    # The machine that has scheduler, supervisor and task dies between the first table and the last.
    pid = until(lambda: task("extract_events").get("pid"), airflow)
    first_commit = Path(settings.data_lake_path) / "users" / "_delta_log" / f"{0:020}.json"
    until(first_commit.exists, airflow)
    os.kill(pid, signal.SIGSTOP)  # a kill takes a moment, in which it would go on
    airflow.kill("scheduler")
    rows_at_kill = Lake(settings.data_lake_path).count("interactions")
    airflow.start("scheduler")

    # A task alone dies when the alias has moved and serving hasn't taken the version up.
    pid = until(lambda: task("deploy_model").get("pid"), airflow)
    registry = Registry(settings)
    until(lambda: registry.by_alias("production"), airflow)
    promoting = task("deploy_model")["state"]
    os.kill(pid, signal.SIGKILL)

    def ended() -> Record | None:
        run = airflow.api.run(DAG_ID, run_id)
        return run if run["state"] in {"success", "failed"} else None

    run, tasks = until(ended, airflow), airflow.tasks(run_id)
    results = {task_id: airflow.api.xcom(DAG_ID, run_id, task_id) for task_id in tasks}
    return DisturbedRun(run, tasks, results, unread, rows_at_kill, promoting)


def test_each_disturbed_task_is_tried_again(disturbed_run: DisturbedRun) -> None:
    assert disturbed_run.run["state"] == "success"
    tries = {task_id: task["try_number"] for task_id, task in disturbed_run.tasks.items()}
    again = {task_id for task_id, number in tries.items() if number > 1}
    assert again == {"generate_synthetic_data", "extract_events", "deploy_model"}
    assert {tries[task_id] for task_id in again} == {2}
    assert disturbed_run.promoting == "running"


def test_a_connection_that_airflow_doesnt_give_is_not_absent(disturbed_run: DisturbedRun) -> None:
    assert "Airflow's API didn't answer; Connection kafka_default" in disturbed_run.unread[-1]


def test_each_event_is_there_once_as_without_a_kill(
    disturbed_run: DisturbedRun, settings: Settings, tmp_path: Path
) -> None:
    undisturbed = settings.model_copy(update={"data_lake_path": str(tmp_path / "lake")})
    now = datetime.fromisoformat(disturbed_run.tasks["extract_events"]["end_date"])
    done = extract.run(undisturbed, now=now)
    assert done.messages > 1000
    for table in TABLES:
        assert content(settings, table).equals(content(undisturbed, table)), table
    assert disturbed_run.rows_at_kill < Lake(settings.data_lake_path).count("interactions")


def content(settings: Settings, table: str) -> pa.Table:
    """The table's rows in the order of the messages, without when they came."""
    rows = Lake(settings.data_lake_path).dataset(table).to_table()
    rows = rows.sort_by(
        [(f"kafka_{part}", "ascending") for part in ("topic", "partition", "offset")]
    )
    return rows.drop_columns(
        [name for name in rows.column_names if name.startswith("ingestion") or name == "detail"]
    )


def test_the_features_are_those_of_an_undisturbed_build(
    disturbed_run: DisturbedRun, settings: Settings, tmp_path: Path
) -> None:
    result = disturbed_run.results["compute_features"]
    undisturbed = settings.model_copy(update={"feature_store_path": tmp_path / "store.duckdb"})
    features.run(
        undisturbed,
        as_of=datetime.fromisoformat(result["as_of"]),
        lake_versions=result["lake_versions"],
    )
    with (
        FeatureStore.open(settings.feature_store_path) as ours,
        FeatureStore.open(undisturbed.feature_store_path) as theirs,
    ):
        assert ours.snapshot.id == result["snapshot_id"]
        assert ours.snapshot.checksums == theirs.snapshot.checksums


def test_one_version_was_made_and_promoted_once(
    disturbed_run: DisturbedRun, settings: Settings, serving: ServingProcess
) -> None:
    [version] = Registry(settings).versions()
    assert version.aliases == ("production",)
    assert "unconfirmed" not in version.tags
    promoted = disturbed_run.results["deploy_model"]
    assert (promoted["version"], promoted["changed"], promoted["previous"]) == (1, False, None)
    assert serving.recommend(1)["model_version"] == 1


def test_nobody_hears_of_a_failure_but_of_the_success_once(
    disturbed_run: DisturbedRun, slack: SlackSink, mail: tuple[MailSink, int]
) -> None:
    [text] = slack.texts
    assert f"{DAG_ID} succeeded" in text
    assert disturbed_run.run["dag_run_id"] in text
    assert mail[0].mails == []
    states = {task_id: task["state"] for task_id, task in disturbed_run.tasks.items()}
    assert states["alert_failure"] == states["alert_failure_email"] == "skipped"
