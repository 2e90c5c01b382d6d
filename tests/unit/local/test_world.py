from pathlib import Path

from movie_recommender.local.world import world_of
from movie_recommender.settings import load_settings


def test_the_default_world_has_the_plain_names(tmp_path: Path) -> None:
    settings = load_settings()
    environment = world_of(settings).environment(tmp_path, settings, {})
    assert environment["MODEL_NAME"] == "movie-recommender"
    assert environment["KAFKA_TOPIC_PREFIX"] == ""
    assert environment["DATA_LAKE_PATH"] == str(tmp_path / "synthetic" / "lake")
    assert environment["DATA_SOURCE"] == "synthetic"


def test_worlds_share_nothing(tmp_path: Path) -> None:
    variants = [
        load_settings(),
        load_settings(simulation_users=100),
        load_settings(simulation_seed=7),
        load_settings(data_source="movielens", movielens_path=tmp_path / "ml-1m"),
        load_settings(data_source="movielens", movielens_path=tmp_path / "ml-small"),
    ]
    environments = [world_of(s).environment(tmp_path, s, {}) for s in variants]
    for name in ("MODEL_NAME", "KAFKA_TOPIC_PREFIX", "DATA_LAKE_PATH", "FEATURE_STORE_PATH"):
        assert len({environment[name] for environment in environments}) == len(variants)
    # Every name is one that Kafka, MLflow and our own settings accept.
    for environment in environments:
        load_settings(**{key.lower(): value for key, value in environment.items()})


def test_places_that_the_user_names_are_kept(tmp_path: Path) -> None:
    given = {"DATA_LAKE_PATH": "s3://bucket/lake"}
    settings = load_settings(data_lake_path=given["DATA_LAKE_PATH"])
    environment = world_of(settings).environment(tmp_path, settings, given)
    assert environment["DATA_LAKE_PATH"] == "s3://bucket/lake"
    assert environment["FEATURE_STORE_PATH"].startswith(str(tmp_path))
