"""What the registry tells, asked of a real MLflow server."""

import uuid
from pathlib import Path

import pytest

from movie_recommender.bundle import write_manifest
from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring import model
from movie_recommender.monitoring.model import NEWEST
from movie_recommender.registry import Registry
from movie_recommender.registry.promotion import UNCONFIRMED
from movie_recommender.settings import Settings, load_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def registered(mlflow: str, tmp_path: Path) -> tuple[Settings, Registry]:
    """A model of the test's own with seven versions; the second to last was evaluated."""
    settings = load_settings(
        mlflow_tracking_uri=mlflow, model_name=f"m{uuid.uuid4().hex[:8]}", mlflow_timeout_s=20
    )
    registry = Registry(settings)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "weights.safetensors").write_bytes(b"weights")
    fields = {"lake_versions": {}, "code_version": "0", "config": {}, "metrics": {}}
    instants = dict.fromkeys(("as_of", "trained_until"), "2026-11-22T00:00:00+00:00")
    names = {"model_name": settings.model_name, "training_key": "k", "snapshot_id": "s"}
    write_manifest(bundle, **names, **instants, **fields)
    for number in range(1, NEWEST + 3):
        run_id = registry.start_run(f"train {number}", params={}, tags={})
        registry.register(run_id, bundle, tags={"snapshot_id": f"s{number}"})
        if number == NEWEST + 1:
            metrics = {"eval_auc": 0.9, "eval_mrr": 0.4, "eval_gate_passed": 0.0}
            registry.log_metrics(run_id, metrics, step=1, time_ms=1)
    return settings, registry


def test_the_newest_versions_and_those_in_use_are_told(
    registered: tuple[Settings, Registry],
) -> None:
    settings, registry = registered
    registry.set_alias("production", 6)
    registry.set_alias("previous", 1)
    registry.set_tag(6, UNCONFIRMED, "{}")
    found = model.read(settings)
    assert [one.version for one in found.versions] == [7, 6, 5, 4, 3, 1]
    production, previous = found.production, found.previous
    assert production is not None
    assert previous is not None
    assert (production.version, production.snapshot_id, production.unconfirmed) == (6, "s6", True)
    assert (production.gate_passed, production.metrics) == (False, {"auc": 0.9})
    assert (previous.version, previous.unconfirmed) == (1, False)
    assert (previous.gate_passed, previous.metrics) == (None, {})


def test_a_model_that_nobody_has_registered_has_no_versions(mlflow: str) -> None:
    found = model.read(load_settings(mlflow_tracking_uri=mlflow, model_name="nobody-s"))
    assert (list(found.versions), found.production) == ([], None)


def test_a_registry_that_is_gone_is_told() -> None:
    with pytest.raises(NotReadyError, match="MLFLOW_TRACKING_URI"):
        model.read(load_settings(mlflow_tracking_uri="http://127.0.0.1:9"))
