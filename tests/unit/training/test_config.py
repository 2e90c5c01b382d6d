"""TRAINING_CONSTANTS on its way into the trainings' constants."""

import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from movie_recommender.errors import ConfigurationError
from movie_recommender.settings import load_settings
from movie_recommender.training.config import TrainingConfig


def config(constants: dict[str, float], **settings: object) -> TrainingConfig:
    return TrainingConfig.of(load_settings(training_constants=json.dumps(constants), **settings))


def test_without_a_variable_the_defaults_hold() -> None:
    assert config({}) == TrainingConfig()


def test_a_constant_replaces_its_default_and_no_other() -> None:
    found = config({"dim": 32, "movie_l2": 0, "history_half_life": 7}, training_epochs=3)
    assert found == replace(TrainingConfig(), dim=32, movie_l2=0.0, history_half_life=7.0, epochs=3)
    # An int where a float belongs would be another training key, and another type in the bundle.
    assert [type(asdict(found)[name]) for name in ("dim", "movie_l2")] == [int, float]


@pytest.mark.parametrize(
    ("constants", "reason"),
    [
        ({"drop_out": 0.1}, "there is no constant 'drop_out', only dim, mlp_epochs, .*dropout.*"),
        ({"epochs": 9}, "epochs is set by TRAINING_EPOCHS"),
        ({"seed": 9}, "seed is set by TRAINING_SEED"),
        ({"threads": 9}, "threads is set by TRAINING_THREADS"),
        ({"dim": 32.5}, "dim=32.5 must be a whole number"),
        ({"block": 0}, "block=0 must be more than 0"),
        ({"mlp_epochs": -1}, "mlp_epochs=-1 must be at least 0"),
        ({"dropout": 1}, "dropout=1 must be at least 0 and less than 1"),
        ({"learning_rate": -0.1, "block": 0}, "learning_rate=-0.1 must be .* 0; block=0 must be"),
    ],
)
def test_a_wrong_constant_is_named(constants: dict[str, float], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^TRAINING_CONSTANTS=.*: {reason}"):
        config(constants)


@pytest.mark.parametrize(
    ("n_positives", "n_movies", "dim"),
    [
        (1, 500, 32),
        (12, 500, 32),
        (20, 500, 64),
        (40, 500, 128),
        (400, 500, 128),
        (30, 50, 50),
        (0, 500, 32),
    ],
)
def test_dimensions_follow_the_histories(n_positives: int, n_movies: int, dim: int) -> None:
    liked = np.zeros((5, n_movies), np.float32)
    liked[:4, :n_positives] = 1.0  # the last user likes nothing, and counts for nothing
    positives = csr_array(liked)
    assert TrainingConfig().within(positives).dim == dim
    assert TrainingConfig(dim=48).within(positives).dim == 48


def test_one_thread_unless_there_is_much_to_do() -> None:
    users = np.arange(11_000)
    few = csr_array((np.ones(500), (users[:500], users[:500])), shape=(11_000, 20_000))
    many = csr_array((np.ones(11_000), (users, users)), shape=(11_000, 20_000))
    assert TrainingConfig().within(few).threads == 1
    assert TrainingConfig().within(many).threads == os.cpu_count()
    assert TrainingConfig(threads=3).within(few).threads == 3
