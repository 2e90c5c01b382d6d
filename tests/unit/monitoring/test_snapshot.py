import dataclasses
from pathlib import Path

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.features import FeatureStore
from movie_recommender.monitoring import snapshot
from movie_recommender.monitoring.snapshot import FeatureDrift
from movie_recommender.settings import load_settings
from tests.unit.features.conftest import World, at


def test_the_published_snapshot_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.movie(7, "06-01 09:00", "Drama")
    world.user(42, "06-01 09:00", age=30)
    world.act("like", 42, 7, "06-01 10:00")
    built = world.build("06-02")
    found = snapshot.read(world.settings)
    assert (found.id, found.as_of) == (built.snapshot_id, at("06-02"))
    assert found.rows["user_features"] == 1
    assert list(found.warnings.values()) == built.warnings
    assert found.drift == {}


def test_drift_is_some_or_strong_only_where_the_build_was_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.act("like", 42, 7, "06-01 10:00")
    world.build("06-02")
    with world.open() as store:
        told = dataclasses.replace(
            store.snapshot,
            drift={"hour": 0.3, "weekday": 0.2, "genres": 0.22, "user_events": 0.9},
            warnings=[
                "drift.hour is broken: PSI 0.300.",
                "drift.weekday is broken: PSI 0.200.",
                "drift.genres is broken: Jensen-Shannon distance 0.220.",
            ],
        )
    monkeypatch.setattr(FeatureStore, "snapshot", property(lambda _: told))
    assert snapshot.read(world.settings).drift == {
        "hour": FeatureDrift(0.3, "strong"),
        "weekday": FeatureDrift(0.2, "some"),
        "genres": FeatureDrift(0.22, "strong"),
        "user_events": FeatureDrift(0.9, "none"),
    }


def test_without_a_store_it_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="movie-recommender features"):
        snapshot.read(load_settings(feature_store_path=tmp_path / "none.duckdb"))
