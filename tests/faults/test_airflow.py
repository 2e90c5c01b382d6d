"""A real Airflow fails while the real DAG is at work: the run ends as if nothing had been.

The story is told once, by `disturbed_run.py`; the tests look at what it has left. There is no
triggerer: nothing here is late.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from aiosmtpd.controller import Controller

from movie_recommender import extract, features
from movie_recommender.features import FeatureStore
from movie_recommender.lake import TABLES, Lake
from movie_recommender.local import airflow_server, ports
from movie_recommender.local.follow import DAG_ID
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings, load_settings
from tests.airflow_processes import AirflowProcesses
from tests.faults.disturbed_run import FIRST, DisturbedRun, disturb
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
    environment = {
        name.upper(): str(getattr(settings, name))
        for name in Settings.model_fields
        if settings.source(name) == "argument"
    }
    del environment["KAFKA_BOOTSTRAP_SERVERS"]  # a Connection has it
    environment["SERVING_URL"] = serving.url
    environment |= airflow_server.connections(
        slack_url=f"http://{ports.LOOPBACK}:{slack.port}", smtp_port=mail[1], given={}
    )
    with AirflowProcesses(tmp_path_factory.mktemp("airflow"), environment) as started:
        host, _, port = settings.kafka_bootstrap_servers.partition(":")
        started.connect("kafka_default", conn_type="kafka", host=host, port=int(port))
        yield started


@pytest.fixture(scope="module")
def disturbed_run(airflow: AirflowProcesses, settings: Settings) -> DisturbedRun:
    return disturb(airflow, settings)


def test_each_disturbed_task_is_tried_again(disturbed_run: DisturbedRun) -> None:
    assert disturbed_run.run["state"] == "success"
    tries = {task_id: task["try_number"] for task_id, task in disturbed_run.tasks.items()}
    assert {tries[task_id] for task_id in (FIRST, "extract_events", "deploy_model")} == {2}
    assert disturbed_run.promoting == "running"


def test_a_connection_that_airflow_doesnt_give_is_not_absent(disturbed_run: DisturbedRun) -> None:
    assert "Airflow's API didn't answer; Connection kafka_default" in disturbed_run.unread[-1]


def test_of_two_runs_one_waits(disturbed_run: DisturbedRun) -> None:
    assert disturbed_run.beside == "queued"


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
