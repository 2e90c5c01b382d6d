"""What is searched: names and ranges, and the way back into the environment."""

import json
import shlex
from dataclasses import asdict, replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from movie_recommender.settings import load_settings
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.space import (
    SPACE,
    config_of,
    constants_of,
    environment,
    space_around,
)

CONFIG = TrainingConfig(dim=64)


def test_every_name_is_a_constant_and_every_range_holds_its_default() -> None:
    defaults = asdict(CONFIG)
    assert set(SPACE) <= set(defaults)
    for name, range_ in SPACE.items():
        assert range_._contains(range_.to_internal_repr(defaults[name])), name


def test_around_the_defaults_nothing_is_widened() -> None:
    assert dict(space_around(CONFIG, n_movies=4000, timed=True)) == SPACE


def test_a_constant_outside_widens_its_range() -> None:
    config = replace(CONFIG, epochs=3, dropout=0.9, movie_l2=0.0, dim=48)
    space = space_around(config, n_movies=4000, timed=True)
    assert (space["epochs"].low, space["epochs"].high) == (3, 40)  # type: ignore[attr-defined]
    assert space["dropout"] == FloatDistribution(0.0, 0.9)
    assert space["movie_l2"] == FloatDistribution(0.0, 60.0)  # zero has no logarithm
    assert space["dim"] == CategoricalDistribution([32, 48, 64, 128])


def test_a_small_catalogue_and_a_data_set_without_times_have_less_to_look_for() -> None:
    space = space_around(replace(CONFIG, dim=40), n_movies=40, timed=False)
    assert space["dim"] == CategoricalDistribution([32, 40])
    gone = {"history_half_life", "history_floor", "target_half_life_days"}
    assert set(SPACE) - set(space) == gone


def test_what_is_drawn_is_rounded_but_never_the_constants_in_effect() -> None:
    config = replace(CONFIG, dropout=0.123456)
    drawn = {**constants_of(config, SPACE), "movie_l2": 12.3456, "dim": 128}
    assert config_of(config, drawn) == replace(config, movie_l2=12.3, dim=128)


def test_the_printed_environment_gives_the_same_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(training_constants='{"warmup": 0.2, "dropout": 0.4}')
    config = TrainingConfig.of(settings)
    wanted = config_of(config, {"dropout": 0.3, "dim": 32, "epochs": 11})
    text = environment(settings, constants_of(wanted, {name: SPACE[name] for name in SPACE}))
    for variable in shlex.split(text):
        monkeypatch.setenv(*variable.split("=", 1))
    assert TrainingConfig.of(load_settings()) == wanted
    assert json.loads(load_settings().training_constants)["warmup"] == 0.2
