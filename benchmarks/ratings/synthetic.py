"""The default synthetic world's month, through the lake into a feature store."""

import tempfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from simulation_truth import fill

from movie_recommender import features
from movie_recommender.evaluation.run import frame_of
from movie_recommender.features import FeatureStore
from movie_recommender.lake import Lake
from movie_recommender.settings import load_settings
from movie_recommender.simulation.generate import world_of
from ratings.case import Tables

LAST_DAY = date(2026, 11, 22)


def synthetic_tables() -> Tables:
    """What the pipeline's feature store holds after the default world's first run."""
    as_of = datetime.combine(LAST_DAY + timedelta(days=1), time(), UTC)
    with tempfile.TemporaryDirectory(prefix="synthetic-") as name:
        settings = load_settings(
            data_lake_path=str(Path(name, "lake")),
            feature_store_path=Path(name, "features.duckdb"),
        )
        fill(Lake(settings.data_lake_path), world_of(settings), LAST_DAY)
        features.run(settings, as_of=as_of)
        with FeatureStore.open(settings.feature_store_path) as store:
            frame = frame_of(store, as_of)
            return Tables(frame, store.get_user_features(), store.get_movie_features(), as_of)
