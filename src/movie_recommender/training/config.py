"""The constants of a training."""

import json
import math
import os
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import numpy as np
from scipy.sparse import csr_array

from movie_recommender.errors import ConfigurationError
from movie_recommender.ranking.history import Recency
from movie_recommender.settings import Settings

_OWN_SETTING = ("epochs", "seed", "threads", "device")
ROUNDING = frozenset({"threads", "device"})
"""Constants that change a model by rounding alone."""

_SHARES = (
    *("warmup", "dropout", "input_share", "new_share", "new_movie_share", "id_dropout"),
    *("history_floor", "warm_share"),
)
_MAY_BE_ZERO = ("dim", "mlp_epochs", "user_l2", "movie_l2")

_MANY_CELLS = 200_000_000
"""Users times movies from which on an epoch takes one thread seven seconds and more."""


@dataclass(frozen=True)
class TrainingConfig:
    """They are part of what makes two models the same model."""

    dim: int = 0
    """Dimensions of the id vectors; 0: as the data bear, see `within`."""
    epochs: int = 28
    mlp_epochs: int = 4
    """The MLP tower joins for the last epochs: one costs as much as four without it, ..."""
    mlp_rate: float = 2.0
    """... and it learns so many times faster than the rest, whose rate is near zero by then."""
    block: int = 128
    """Users scored at once, at most, ..."""
    min_block: int = 16
    """... and at least: few users are dealt into smaller blocks, ..."""
    min_steps: int = 48
    """... so that an epoch has so many steps."""
    columns: int = 20_000
    """Movies a block is scored against; of a larger catalogue so many are drawn."""
    learning_rate: float = 0.005
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; then it falls linearly to zero."""
    dropout: float = 0.35
    """Share of a user vector's entries that are left out."""
    unobserved_weight: float = 0.35
    """Weight of a cell without a positive; a new positive has 1."""
    input_share: float = 0.4
    """Share of a user's history that is input; the rest is target."""
    new_share: float = 0.02
    """Share of users trained as if they were new: no id, no history, all is target."""
    new_movie_share: float = 0.05
    """Share of a block's movies that count as new, with neither id vector nor bias (DropoutNet,
    Volkovs et al. 2017): side features must do."""
    id_dropout: float = 0.1
    """Share of users trained without their id vector: history and side features must do."""
    history_half_life: float = 10.0
    """Movies after which one weighs half in a user's vector, where times are known, ..."""
    history_floor: float = 0.3
    """... down to this share of the newest one's weight."""
    target_half_life_days: float = 365.0
    """Age at which a positive counts half as a target, where times are known."""
    user_l2: float = 0.02
    """L2 penalty on a user's id vector."""
    movie_l2: float = 13.0
    """L2 penalty on the movies' id vectors beside the loss of all users: Gaussian prior."""
    warm_share: float = 0.3
    """Of the epochs and of the learning rate, for a training that goes on from an earlier model."""
    seed: int = 0
    threads: int = 0
    """0: as many as the data keep busy, see `within`."""
    device: str = "cpu"
    """Where PyTorch computes: cpu or cuda."""

    @classmethod
    def of(cls, settings: Settings) -> "TrainingConfig":
        """The constants of this process's trainings.

        Raises:
            ConfigurationError: TRAINING_CONSTANTS names no constant that it may replace, or gives
                one a value that it can't have.
        """
        constants: dict[str, Any] = json.loads(settings.training_constants)
        wrong = [reason for name, value in constants.items() if (reason := _wrong(name, value))]
        if wrong:
            message = (
                f"TRAINING_CONSTANTS={settings.training_constants!r}: {'; '.join(wrong)}. "
                "Correct the environment variable and run again."
            )
            raise ConfigurationError(message)
        types = get_type_hints(cls)
        return cls(
            epochs=settings.training_epochs,
            seed=settings.training_seed,
            threads=settings.training_threads,
            device=settings.training_device,
            **{name: types[name](value) for name, value in constants.items()},
        )

    def within(self, positives: csr_array) -> "TrainingConfig":
        """For these data: what is 0 because they decide it is set.

        `dim` becomes three dimensions for a user's mean positive, the nearest power of 2 from 32
        to 128; sparser histories don't bear more. There are never more dimensions than movies.
        `threads` becomes 1, or one for each core where an epoch has many cells: in short steps
        threads wait for each other, and beside other work for a core that they don't get.

        Args:
            positives: (U, I).
        """
        users = max(1, np.count_nonzero(np.diff(positives.indptr)))
        wanted = 3.0 * max(1, positives.nnz) / users
        borne = 2 ** round(min(max(math.log2(wanted), 5.0), 7.0))
        cells = users * min(positives.shape[1], self.columns)
        threads = self.threads or (1 if cells < _MANY_CELLS else os.cpu_count() or 1)
        return replace(self, dim=min(self.dim or borne, positives.shape[1]), threads=threads)

    @property
    def recency(self) -> Recency:
        """How much the newest movies of a history weigh."""
        return Recency(self.history_half_life, self.history_floor)

    def warm(self) -> "TrainingConfig":
        """For going on from an earlier model, whose two towers are there from the start."""
        epochs = max(1, round(self.warm_share * self.epochs))
        rate = self.warm_share * self.learning_rate
        return replace(self, epochs=epochs, mlp_epochs=epochs, learning_rate=rate)


def _wrong(name: str, value: float) -> str | None:
    """Why TRAINING_CONSTANTS may not give `name` this value; None: it may."""
    types = get_type_hints(TrainingConfig)
    if name in _OWN_SETTING:
        return f"{name} is set by TRAINING_{name.upper()}"
    if name not in types:
        allowed = ", ".join(known for known in types if known not in _OWN_SETTING)
        return f"there is no constant {name!r}, only {allowed}"
    if types[name] is int and not isinstance(value, int):
        return f"{name}={value} must be a whole number"
    if name in _SHARES:
        return None if 0 <= value < 1 else f"{name}={value} must be at least 0 and less than 1"
    if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        return f"{name}={value} must be {'at least' if name in _MAY_BE_ZERO else 'more than'} 0"
    return None
