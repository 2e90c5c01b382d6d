"""What tests with real servers share beside the servers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from movie_recommender import features
from movie_recommender.settings import Settings
from tests.conftest import own_settings
from tests.genres import SUNDAY, fill, likes, publish, train


@pytest.fixture(scope="session")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lake and feature store of `likes()`, for `publish` to copy: building them takes seconds."""
    directory = tmp_path_factory.mktemp("genres")
    settings = own_settings("127.0.0.1:9", directory)
    fill(settings, likes())
    features.run(settings, as_of=SUNDAY)
    return directory


@pytest.fixture(scope="session")
def two_versions(
    kafka: str, mlflow: str, genres: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Settings]:
    """Makes a published store and two trained versions of the model of that name.

    Seeds and epochs may be chosen; otherwise the first one has learned for longer.
    """

    def make(name: str, *chosen: tuple[int, int]) -> Settings:
        settings = own_settings(kafka, tmp_path_factory.mktemp(name)).model_copy(
            update={"mlflow_tracking_uri": mlflow, "model_name": name}
        )
        publish(settings, genres)
        for seed, epochs in chosen or ((0, 8), (7, 4)):
            train(settings, seed=seed, epochs=epochs)
        return settings

    return make
