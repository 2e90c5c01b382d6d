"""What each task read and wrote, as OpenLineage is told."""

from typing import Any

import pytest

from movie_recommender.settings import load_settings

pytest.importorskip("airflow.providers.openlineage", reason="needs movie-recommender[lineage]")

from movie_recommender.orchestration import lineage

SETTINGS = load_settings(
    data_lake_path="/data/events",
    feature_store_path="/data/features/store.duckdb",
    mlflow_tracking_uri="http://mlflow:5000",
    kafka_bootstrap_servers="a:9092,b:9092",
    kafka_topic_prefix="prod.",
)
LAKE_VERSIONS = {"users": 3, "movies": 2, "interactions": 9, "dead_letters": 1}


def told(task_id: str, **result: Any) -> tuple[list[str], list[str]]:
    """Inputs and outputs as `namespace name @version`."""
    inputs, outputs = lineage.datasets(task_id, result, SETTINGS)
    return [_text(one) for one in inputs], [_text(one) for one in outputs]


def _text(dataset: Any) -> str:
    version = (dataset.facets or {}).get("version")
    return f"{dataset.namespace} {dataset.name}" + (
        f" @{version.datasetVersion}" if version else ""
    )


TOPICS = [f"kafka://a:9092 prod.{topic}" for topic in ("users", "movies", "interactions")]
STORE = "file /data/features/store.duckdb"
MODEL = "http://mlflow:5000 models/movie-recommender"


def test_the_chain_from_kafka_to_production_has_no_gap() -> None:
    tables = [f"file /data/events/{name} @{v}" for name, v in LAKE_VERSIONS.items()]
    snapshot = {"snapshot_id": "s1"}
    assert told("generate_synthetic_data") == ([], TOPICS)
    assert told("extract_events", lake_versions=LAKE_VERSIONS) == (TOPICS, tables)
    built = told("compute_features", lake_versions=LAKE_VERSIONS, **snapshot)
    assert built == (tables[:3], [f"{STORE} @s1"])
    assert told("train_model", trained=True, version=7, **snapshot) == (built[1], [f"{MODEL} @7"])
    assert told("evaluate_model", version=7) == ([STORE, f"{MODEL} @7"], [])
    assert told("deploy_model", version=7) == ([f"{MODEL} @7"], [f"{MODEL}@production @7"])


def test_a_version_that_is_handed_on_was_not_made() -> None:
    assert told("train_model", trained=False, version=7, snapshot_id="s1") == ([], [])


@pytest.mark.parametrize("task_id", ["deploy_model_check", "skip_deploy", "alert_success"])
def test_other_tasks_touch_no_data(task_id: str) -> None:
    assert told(task_id) == ([], [])


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("file:///data/events/", ("file", "/data/events")),
        ("s3a://bucket/events/", ("s3://bucket", "events")),
        ("gs://bucket/a/b", ("gs://bucket", "a/b")),
        ("s3://bucket", ("s3://bucket", "")),
    ],
)
def test_a_lake_is_named_after_openlineage_s_rules(path: str, place: tuple[str, str]) -> None:
    assert lineage._place(path) == place
