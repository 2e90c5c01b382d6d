"""Ranking metrics of one relevant movie among others, from its rank."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

K = 10
"""Length of the list that is judged."""


def ranks(positive: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> Ints:
    """(P,) number of others that score at least as high: 0 is first, ties count against.

    Args:
        positive: (P,) score of each relevant movie; NaN ranks last.
        others: (P, N) scores of the movies it competes with; NaN counts as higher.
    """
    return np.asarray((~(others < positive[:, None])).sum(axis=1), np.int64)


def hit_rate(rank: Ints, k: int = K) -> Floats:
    """(P,) 1 where the relevant movie is among the first k, else 0 (HR@k, He et al. 2017)."""
    return (rank < k).astype(np.float64)


def ndcg(rank: Ints, k: int = K) -> Floats:
    """(P,) 1 / log2(rank + 2) among the first k, else 0.

    NDCG@k of a list with one relevant movie: the ideal gain is 1 (He et al. 2017).
    """
    return np.where(rank < k, 1.0 / np.log2(rank + 2.0), 0.0)


def auc(rank: Ints, n_others: int) -> Floats:
    """(P,) share of the others that score lower (Rendle et al. 2009, equation 1); a tie gives 0."""
    return 1.0 - rank / n_others


def mean_by_user(values: Floats, user: Ints, n_users: int) -> Floats:
    """(n_users,) mean of each user's values; NaN for a user without any.

    Args:
        values: (P,) a value for each relevant movie.
        user: (P,) whose it is, 0 <= user < n_users.
        n_users: number of users.
    """
    count = np.bincount(user, minlength=n_users)
    total = np.bincount(user, weights=values, minlength=n_users)
    means = np.full(n_users, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def bootstrap_interval(
    by_user: Floats, *, rng: np.random.Generator, resamples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean over users (Efron 1979), resampling users.

    Args:
        by_user: (U,) one value a user, no NaN, U >= 1; differences for a paired comparison.
        rng: source of the resamples.
        resamples: number of resamples.
        level: share that the interval covers.
    """
    n = len(by_user)
    means = np.array([by_user[rng.integers(n, size=n)].mean() for _ in range(resamples)])
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)
