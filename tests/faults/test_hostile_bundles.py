"""What somebody with a foot in MLflow may try: pickles, other places' files, exchanged bundles."""

import json
import os
import pickle
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow.exceptions import RestException

from movie_recommender import evaluation, registry
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.registry import Registry
from movie_recommender.serving.cache import CacheFolder
from movie_recommender.serving.keeper import Keeper
from movie_recommender.settings import Settings, load_settings
from tests.tiny_bundle import write_tiny_bundle

pytestmark = pytest.mark.integration


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self._marker}",)


class World:
    """A registry with one good version in production, and serving's keeper at work."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.registry = Registry(settings)
        self.folder = CacheFolder(directory / "cache")
        self.keeper = Keeper(settings, self.folder)
        self.run_id = self.registry.start_run("a run", params={}, tags={})
        self.bundle = write_tiny_bundle(directory / "bundle")
        self.good = self.registry.register(self.run_id, self.bundle, tags={})
        self.put_into_production(self.good)
        assert self.folder.model().version == self.good

    def put_into_production(self, version: int) -> None:
        self.registry.set_alias("production", version)
        self.keeper.look()

    def register_by_hand(self, source: str) -> int:
        """As somebody who has the rights of the pipeline may."""
        client = self.registry._client
        found = client.create_model_version(self.registry.name, source, self.run_id)
        return int(found.version)

    def put_file(self, path: Path, folder: str) -> None:
        self.registry._client.log_artifact(self.run_id, str(path), folder)

    def require_refused(self, version: int, directory: Path, reason: str) -> None:
        """Neither training nor serving takes it, and serving goes on with the good one."""
        with pytest.raises(RegistryError, match=reason):
            self.registry.download(version, directory / "download")
        self.put_into_production(version)
        found = self.folder.model()
        assert found.version == self.good
        assert f"version {version}:" in (found.refused or "")


@pytest.fixture
def world(mlflow: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    name = f"hostile-{zlib.crc32(request.node.name.encode()):x}"
    settings = load_settings(
        mlflow_tracking_uri=mlflow,
        model_name=name,
        feature_store_path=tmp_path / "no-store.duckdb",
    )
    world = World(settings, tmp_path)
    yield world
    world.keeper._registry.close()


def test_a_pickled_model_is_refused_before_anything_is_loaded(world: World, tmp_path: Path) -> None:
    marker, evil = tmp_path / "marker", tmp_path / "evil"
    evil.mkdir()
    (evil / "python_model.pkl").write_bytes(pickle.dumps(Bomb(marker)))
    loader = {"loader_module": "os", "data": "python_model.pkl"}
    (evil / "MLmodel").write_text(json.dumps({"flavors": {"python_function": loader}}))
    for path in evil.iterdir():
        world.put_file(path, "pickled")
    version = world.register_by_hand(f"runs:/{world.run_id}/pickled")
    world.require_refused(version, tmp_path, "this package didn't register it")
    # The same beside a manifest that vouches for it: still nothing interprets it.
    write_tiny_bundle(evil)
    listed = world.registry.register(
        world.registry.start_run("another", params={}, tags={}), evil, tags={}
    )
    world.registry.download(listed, tmp_path / "listed")
    world.put_into_production(listed)
    assert world.folder.model().version == listed
    assert not marker.exists()


@pytest.mark.parametrize(
    "source",
    [
        "s3://another-bucket/bundle",
        "runs:/{run}/bundle/inside",
        "runs:/{run}/another",
        "runs:/{run}/bundle#fragment",
        "runs:/{run}/bundle?version=1",
        "mlflow-artifacts:/0/{run}/artifacts/bundle",
        # These MLflow refuses by itself.
        "runs:/{run}/../bundle",
        "runs:/{run}/%2e%2e/bundle",
        "http://127.0.0.1:1/latest/meta-data",
        "file:///etc",
        "//127.0.0.1/share",
        "/etc",
    ],
)
def test_another_places_files_are_never_asked_for(
    world: World, tmp_path: Path, source: str
) -> None:
    try:
        version = world.register_by_hand(source.format(run=world.run_id))
    except RestException:
        return
    world.require_refused(version, tmp_path, "this package didn't register it")


def test_files_that_were_altered_after_the_gate_are_not_served(
    world: World, tmp_path: Path
) -> None:
    other = world.registry.start_run("another", params={}, tags={})
    version = world.registry.register(other, world.bundle, tags={})
    altered = tmp_path / "weights.safetensors"
    altered.write_bytes(b"Weights")
    world.registry._client.log_artifact(other, str(altered), "bundle")
    world.require_refused(version, tmp_path, r"weights\.safetensors was altered")


def test_an_exchanged_bundle_is_not_served_though_its_manifest_fits(
    world: World, tmp_path: Path
) -> None:
    other = world.registry.start_run("another", params={}, tags={})
    version = world.registry.register(other, world.bundle, tags={})
    exchanged = write_tiny_bundle(tmp_path / "exchanged", weights=b"whatever I like")
    for path in exchanged.iterdir():
        world.registry._client.log_artifact(other, str(path), "bundle")
    world.require_refused(version, tmp_path, r"manifest\.json was altered")


def test_where_nobody_vouches_for_production_the_way_out_is_told_and_is_one(
    world: World, tmp_path: Path
) -> None:
    untagged = world.register_by_hand(f"runs:/{world.run_id}/bundle")
    world.require_refused(untagged, tmp_path, "has no tag manifest_sha256")
    as_of = datetime(2026, 2, 1, tzinfo=UTC)
    told = rf"Version {untagged}, in production, .* movie-recommender promote {world.good}$"
    with pytest.raises(RegistryError, match=told):
        evaluation.run(world.settings, as_of=as_of, version=world.good)
    with pytest.raises(NotReadyError, match="no-store"):
        evaluation.run(world.settings, as_of=as_of, version=untagged)
    registry.promote(world.settings, version=world.good, by_hand=True)
    with pytest.raises(NotReadyError, match="no-store"):  # it gets as far as the features
        evaluation.run(world.settings, as_of=as_of, version=world.good)
