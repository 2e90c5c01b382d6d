"""What the Kubernetes executor is told of a task, and that no other part stumbles over it."""

from typing import Any

import pytest

from movie_recommender.orchestration import pods

TRAINING = '{"train_model": {"cpu": "4", "memory": "16Gi", "gpu": 1}, "extract_events": {}}'


@pytest.fixture(autouse=True)
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_RESOURCES", TRAINING)


def asked_for(config: dict[str, Any]) -> dict[str, Any]:
    """The pod's manifest, without what isn't set."""
    # Not above: collecting the tests would take seconds more, in every process that runs some.
    from kubernetes.client import ApiClient, V1Pod

    pod = config["pod_override"]
    assert isinstance(pod, V1Pod)
    manifest: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return manifest


def test_training_asks_for_more() -> None:
    resources = {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"memory": "16Gi", "nvidia.com/gpu": "1"},
    }
    container = {"name": "base", "resources": resources}
    manifest = asked_for(pods.executor_config("train_model"))
    assert manifest == {"metadata": {}, "spec": {"containers": [container]}}


def test_the_others_ask_for_what_the_template_says() -> None:
    assert pods.executor_config("compute_features") == {}
    resources = {"requests": {}, "limits": {}}
    manifest = asked_for(pods.executor_config("extract_events"))
    assert manifest["spec"]["containers"] == [{"name": "base", "resources": resources}]


def test_without_the_client_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "find_spec", lambda _: None)
    assert pods.executor_config("train_model") == {}


def test_the_dag_carries_it_through_the_database() -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    from tests.unit.orchestration.test_dag import DAGS, WORK

    read = DagBag(dag_folder=str(DAGS), collect_dags=True).dags["movie_recommender_pipeline"]
    stored = DagSerialization.from_dict(DagSerialization.to_dict(read))
    for dag in (read, stored):
        found = {task.task_id: task.executor_config for task in dag.tasks if task.executor_config}
        assert found.keys() == {"train_model", "extract_events"}
        assert asked_for(found["train_model"]) == asked_for(pods.executor_config("train_model"))
        assert found.keys() <= WORK.keys()
