"""The gate: no model reaches production without proof that it is good and no worse.

Each rule is listed with its value and threshold whether it held or not; a missing value fails.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from movie_recommender.settings import Settings

MAX_LOSS = 0.01
"""NDCG@10 that a candidate may be behind production on average: the noise of one window."""


@dataclass(frozen=True)
class Reason:
    """One rule: it holds if `value` >= `threshold`."""

    rule: str
    value: float | None
    threshold: float | None
    passed: bool


@dataclass(frozen=True)
class GateResult:
    """The verdict: passed only if every reason did."""

    passed: bool
    reasons: list[dict[str, Any]]


def decide(
    settings: Settings,
    *,
    metrics: Mapping[str, float],
    popularity: Mapping[str, float],
    n_users: int,
    production_delta: tuple[float, float, float] | None,
) -> GateResult:
    """Judge a candidate.

    Args:
        settings: the three thresholds.
        metrics: the candidate's `auc`, `ndcg_at_10`, `hit_rate_at_10`.
        popularity: the popularity baseline's, on the same pairs.
        n_users: users that were judged; a handful proves nothing.
        production_delta: candidate minus production in NDCG@10, paired by user: the mean and its
            95 % interval; None where there is no other production model.
    """
    reasons = [
        _at_least("judged_users", n_users, settings.evaluation_min_users),
        _at_least("auc", metrics.get("auc"), settings.gate_min_auc),
        _at_least("ndcg_at_10", metrics.get("ndcg_at_10"), settings.gate_min_ndcg_at_10),
        _at_least(
            "hit_rate_at_10", metrics.get("hit_rate_at_10"), settings.gate_min_hit_rate_at_10
        ),
        _beats("beats_popularity", metrics.get("ndcg_at_10"), popularity.get("ndcg_at_10")),
    ]
    if production_delta is not None:
        mean, _, high = production_delta
        # Significantly worse is out, and so is clearly worse on few users.
        reasons.append(_at_least("not_worse_than_production", high, 0.0))
        reasons.append(_at_least("close_to_production", mean, -MAX_LOSS))
    return GateResult(all(r.passed for r in reasons), [asdict(r) for r in reasons])


def _at_least(rule: str, value: float | None, threshold: float) -> Reason:
    return Reason(rule, value, threshold, value is not None and value >= threshold)


def _beats(rule: str, value: float | None, threshold: float | None) -> Reason:
    passed = value is not None and threshold is not None and value > threshold
    return Reason(rule, value, threshold, passed)
