"""How sure a mean over users is: the same resamples of users for every metric and model.

Each resample counts how often each user was drawn. All metrics of all models are averaged with the
same counts, so that the difference of two models is a paired one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean over users and its 95 % interval."""

    value: float
    low: float
    high: float

    def interval(self) -> list[float]:
        """[low, high]."""
        return [self.low, self.high]


def mean(columns: Floats) -> Floats:
    """(M,) mean of each column of (J, M) over the users that have a value; NaN without any."""
    counted = ~np.isnan(columns)
    n = counted.sum(axis=0)
    total = np.where(counted, columns, 0.0).sum(axis=0)
    means: Floats = np.divide(total, n, out=np.full(columns.shape[1], np.nan), where=n > 0)
    return means


def resample(
    columns: Mapping[str, Floats], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, Floats]:
    """Means over resampled users (Efron 1979), (R, M) for each table of columns.

    A table's means depend on no other table, so that they are the same in any company.

    Args:
        columns: tables (J, M), a row a user, NaN where a user has no value; J alike and >= 1.
        seed: of the resamples.
        resamples: R.
    """
    n_users = len(next(iter(columns.values())))
    known = {name: (~np.isnan(table)).astype(np.float64) for name, table in columns.items()}
    filled = {name: np.nan_to_num(table, nan=0.0) for name, table in columns.items()}
    parts: dict[str, list[Floats]] = {name: [] for name in columns}
    for drawn in _counts(n_users, resamples, np.random.default_rng(seed)):
        for name in columns:
            n = drawn @ known[name]
            missing = np.full(n.shape, np.nan)
            parts[name].append(np.divide(drawn @ filled[name], n, out=missing, where=n > 0))
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def estimate(value: float, draws: Floats) -> Estimate:
    """`value` with the percentile interval of its (R,) resamples; NaNs among them don't count."""
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws[~np.isnan(draws)], [tail, 1.0 - tail])
    return Estimate(float(value), float(low), float(high))


def _counts(n_users: int, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """(r, J) blocks of the counts of each user in each resample."""
    at_once = max(1, _DRAWS_AT_ONCE // n_users)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = rng.integers(n_users, size=(size, n_users))
        drawn += np.arange(size)[:, None] * n_users
        counts = np.bincount(drawn.reshape(-1), minlength=size * n_users)
        yield counts.reshape(size, n_users).astype(np.float64)
