"""Ranking metrics from ranks: 0 is the first place, and a tie counts against the model.

The sampled ones look at one relevant movie among others that are not; those of a list look at all
movies, of which several may be relevant.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

K = 10
"""Length of the list that is judged."""

_QUANTILES = 1024


def ranks(positive: Scores, others: Scores) -> Ints:
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


def reciprocal_rank(rank: Ints) -> Floats:
    """(P,) 1 / (rank + 1), however long the list (Voorhees 1999)."""
    return np.asarray(1.0 / (rank + 1.0), np.float64)


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


def global_auc(positive: Scores, negatives: Scores, user: Ints, n_users: int) -> Floats:
    """(n_users,) values whose mean is the AUC over all pairs, of different users too.

    The AUC A of Hanley and McNeil (1982): of all pairs of a relevant movie's score and another's,
    whoever they belong to, the share in the right order; a tie gives 0, NaN is the wrong way round.
    User u's value is A + J dA/dw_u, w_u the weight of u's scores: the first-order jackknife for
    clustered scores (Obuchowski 1997), so that resampling users tells A's interval. With p_u of the
    P relevant movies, f_u the sum over them of the share of negatives below, and g_u the mean over
    u's negatives of the share of relevant movies above,
    dA/dw_u = f_u / P + g_u p_u / P - 2 A p_u / P. g is looked up among at most 1024 quantiles of
    the relevant movies' scores; the mean stays exact.

    Args:
        positive: (P,) score of each relevant movie.
        negatives: (P, N) scores of its user's other movies.
        user: (P,) whose it is, 0 <= user < n_users, each at least once.
        n_users: J.
    """
    relevant = np.where(np.isnan(positive), -np.inf, positive)
    others = np.where(np.isnan(negatives), np.inf, negatives)
    below = np.searchsorted(np.sort(others, axis=None), relevant) / others.size  # (P,)
    steps = np.sort(relevant)[:: -(-len(relevant) // _QUANTILES)]
    above = -np.searchsorted(steps, others, side="right").mean(axis=1) / len(steps)  # (P,), less 1
    influence = (below - below.mean() + above - above.mean()) / len(relevant)
    spread = n_users * np.bincount(user, influence, n_users)
    return np.asarray(below.mean() + spread, np.float64)


def not_worse(ascending: Scores, cost: Scores, user: Ints) -> Ints:
    """(P,) how many of its user's costs are at most as high as each relevant movie's.

    Args:
        ascending: (B, N) each user's costs in ascending order, no NaN.
        cost: (P,) the relevant movies'.
        user: (P,) row of `ascending`.
    """
    low = np.zeros(len(user), np.int64)
    high = np.full(len(user), ascending.shape[1], np.int64)
    while (low < high).any():  # a binary search for all at once
        middle = (low + high) // 2
        right = (low < high) & (ascending[user, np.minimum(middle, ascending.shape[1] - 1)] <= cost)
        low = np.where(right, middle + 1, low)
        high = np.where(right, high, middle)
    return low


def places(n_not_worse: Ints, cost: Scores, user: Ints) -> Ints:
    """(P,) place of each relevant movie in its user's list, 0 first, ties behind what is not.

    Args:
        n_not_worse: (P,) movies of the list that don't cost more than it, itself among them.
        cost: (P,) the lowest is first in the list.
        user: (P,) whose it is, ascending.
    """
    order = np.lexsort((cost, user))
    first = np.searchsorted(user, user)  # (P,) where the user's part begins, in any order
    tied = np.ones(len(user), np.bool_)  # begins a group of equal scores
    tied[1:] = (np.diff(user) != 0) | (cost[order][1:] != cost[order][:-1])
    group = np.cumsum(tied) - 1
    group_end = np.append(np.flatnonzero(tied), len(user))[group + 1]
    own = np.arange(len(user)) - first
    place = np.empty(len(user), np.int64)
    place[order] = n_not_worse[order] - (group_end - first) + own
    return place


def list_metrics(place: Ints, user: Ints, k: int = K) -> dict[str, Floats]:
    """NDCG@k, HR@k, recall@k and reciprocal rank of each user's list, (J,) each.

    DCG is the sum of 1 / log2(place + 2) over the relevant movies among the first k, and NDCG its
    ratio to that of a list which begins with all of them (Järvelin and Kekäläinen 2002, section
    2.2, binary gains). HR is 1 where any is among the first k, recall the share that is; the
    reciprocal rank is that of the first one.

    Args:
        place: (P,) of each relevant movie in its user's list, 0 first.
        user: (P,) whose it is, ascending, 0 to J - 1, each at least once.
        k: length of the list.
    """
    relevant = np.bincount(user)
    gained = np.bincount(user, weights=ndcg(place, k))
    hits = np.bincount(user, weights=hit_rate(place, k))
    ideal = np.cumsum(ndcg(np.arange(k), k))[np.minimum(relevant, k) - 1]
    starts = np.searchsorted(user, np.arange(len(relevant)))
    best = np.minimum.reduceat(place, starts) if len(place) else place
    return {
        "ndcg": gained / ideal,
        "hit_rate": (hits > 0).astype(np.float64),
        "recall": hits / relevant,
        "reciprocal_rank": reciprocal_rank(best),
    }
