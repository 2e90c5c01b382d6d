"""The gate: no model reaches production without proof that it is good and no worse.

Each rule is listed with its value and threshold whether it held or not; a missing value fails.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from movie_recommender.settings import Settings


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
    production_delta: tuple[float, float] | None,
) -> GateResult:
    """Judge a candidate.

    Args:
        settings: the three thresholds.
        metrics: the candidate's `auc`, `ndcg_at_10`, `hit_rate_at_10`.
        popularity: the popularity baseline's, on the same pairs.
        production_delta: 95 % interval of candidate minus production in NDCG@10, paired by user;
            None where there is no other production model.
    """
    reasons = [
        _at_least("auc", metrics.get("auc"), settings.gate_min_auc),
        _at_least("ndcg_at_10", metrics.get("ndcg_at_10"), settings.gate_min_ndcg_at_10),
        _at_least(
            "hit_rate_at_10", metrics.get("hit_rate_at_10"), settings.gate_min_hit_rate_at_10
        ),
        _beats("beats_popularity", metrics.get("ndcg_at_10"), popularity.get("ndcg_at_10")),
    ]
    if production_delta is not None:
        # Not worse: the interval of the difference reaches zero or lies above it.
        reasons.append(_at_least("not_worse_than_production", production_delta[1], 0.0))
    return GateResult(all(r.passed for r in reasons), [asdict(r) for r in reasons])


def _at_least(rule: str, value: float | None, threshold: float) -> Reason:
    return Reason(rule, value, threshold, value is not None and value >= threshold)


def _beats(rule: str, value: float | None, threshold: float | None) -> Reason:
    passed = value is not None and threshold is not None and value > threshold
    return Reason(rule, value, threshold, passed)
