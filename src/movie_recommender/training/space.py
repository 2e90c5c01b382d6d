"""Which constants `tune` looks for, and where."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from movie_recommender.settings import Settings
from movie_recommender.training.config import TrainingConfig

Space = Mapping[str, BaseDistribution]
Constants = Mapping[str, float]

SPACE: Space = {
    "movie_l2": FloatDistribution(1.0, 60.0, log=True),
    "user_l2": FloatDistribution(0.001, 0.3, log=True),
    "input_share": FloatDistribution(0.2, 0.8),
    "dropout": FloatDistribution(0.0, 0.6),
    "unobserved_weight": FloatDistribution(0.05, 1.0, log=True),
    "learning_rate": FloatDistribution(0.001, 0.02, log=True),
    "epochs": IntDistribution(10, 40),
    "dim": CategoricalDistribution((32, 64, 128)),
    "new_share": FloatDistribution(0.0, 0.2),
    "history_half_life": FloatDistribution(3.0, 200.0, log=True),
    "history_floor": FloatDistribution(0.0, 0.9),
    "target_half_life_days": FloatDistribution(30.0, 3000.0, log=True),
}

_OF_TIMES = ("history_half_life", "history_floor", "target_half_life_days")
_DIGITS = 3
"""No window tells more of them apart."""


def space_around(config: TrainingConfig, *, n_movies: int, timed: bool) -> Space:
    """`SPACE`, widened where the constants in effect lie outside.

    Args:
        config: constants in effect, their `dim` that of the data.
        n_movies: no vector needs more dimensions.
        timed: whether it is known when each positive came.
    """
    now = asdict(config)
    space = {name: _with(range_, now[name]) for name, range_ in SPACE.items()}
    dims = {dim for dim in (*SPACE["dim"].choices, now["dim"]) if dim <= n_movies}  # type: ignore[attr-defined]
    space["dim"] = CategoricalDistribution(sorted(dims))
    return {name: range_ for name, range_ in space.items() if timed or name not in _OF_TIMES}


def constants_of(config: TrainingConfig, space: Space) -> dict[str, float]:
    """Those of `config` that `space` knows."""
    return {name: getattr(config, name) for name in space}


def config_of(config: TrainingConfig, params: Constants) -> TrainingConfig:
    """`config` with what was drawn from its space, rounded but for what it has itself."""
    drawn: dict[str, Any] = {
        name: value if value == getattr(config, name) else _rounded(value)
        for name, value in params.items()
    }
    return replace(config, **drawn)


def environment(settings: Settings, constants: Constants) -> str:
    """What to set, as a shell reads it, so that trainings have these constants."""
    others = {name: value for name, value in constants.items() if name != "epochs"}
    replaced = json.loads(settings.training_constants) | others
    shown = json.dumps(replaced, sort_keys=True)
    return f"TRAINING_EPOCHS={constants['epochs']} TRAINING_CONSTANTS='{shown}'"


def _with(range_: BaseDistribution, value: float) -> BaseDistribution:
    if isinstance(range_, IntDistribution):
        return IntDistribution(min(range_.low, int(value)), max(range_.high, int(value)))
    if isinstance(range_, FloatDistribution):
        low, high = min(range_.low, value), max(range_.high, value)
        return FloatDistribution(low, high, log=range_.log and low > 0)
    return range_


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")
