"""The gate: no model reaches production without proof that it is good and no worse.

Each rule is listed with its value, interval and threshold whether it held or not; a missing value
fails. Differences are in NDCG@10, candidate less the other, paired by user.

| rule | holds if |
|---|---|
| `judged_users`, `auc`, `ndcg_at_10`, `hit_rate_at_10` | the value is at least the threshold |
| `coverage_at_10` | at least GATE_MIN_COVERAGE of the movies that so many lists could hold |
| `beats_popularity` | the whole interval of the difference lies above 0 |
| `beats_…`, other baselines | the interval doesn't lie wholly below 0; else a warning, no refusal |
| `not_older_than_production` | it was trained as of the same day, or a later one |
| `not_worse_than_production` | the interval doesn't lie wholly below 0 |
| `close_to_production` | the mean loss is at most GATE_MAX_LOSS |
| `no_slice_worse` | no slice of enough users has an interval wholly below 0 and a mean loss above \
GATE_MAX_SLICE_LOSS |
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import SliceResult
from movie_recommender.evaluation.metrics import K
from movie_recommender.settings import Settings

POPULARITY = "popularity"
"""The baseline that must be beaten; another one's lead is a warning."""

MIN_SLICE_USERS = 100
"""Judged users of the smallest slice that counts. With so many, 0.15 as deviation of a user's
difference, and 30 slices, equal models are told apart wrongly in one of a hundred windows."""


@dataclass(frozen=True)
class Reason:
    """One rule and what it saw.

    Attributes:
        rule: its name.
        value: what was seen, None where it is missing.
        threshold: what it was held against.
        passed: whether the rule holds.
        low: lower end of the value's 95 % interval; None where it has none.
        high: upper end.
        severity: fail: the candidate is refused; warn: it is not, but the reports say it.
        about: what the value is of, where the rule's name doesn't tell.
    """

    rule: str
    value: float | None
    threshold: float | None
    passed: bool
    low: float | None = None
    high: float | None = None
    severity: Literal["fail", "warn"] = "fail"
    about: str = ""


@dataclass(frozen=True)
class GateResult:
    """The verdict: passed only if every reason of severity `fail` did."""

    passed: bool
    reasons: list[dict[str, Any]]


def decide(
    settings: Settings,
    *,
    n_users: int,
    n_movies: int,
    metrics: Mapping[str, Estimate],
    baselines: Mapping[str, Estimate],
    production: Estimate | None = None,
    slices: Sequence[SliceResult] = (),
    ahead_days: float | None = None,
) -> GateResult:
    """Judge a candidate.

    Args:
        settings: thresholds and margins, `GATE_…`.
        n_users: users that were judged; a handful proves nothing.
        n_movies: size of the catalogue.
        metrics: the candidate's.
        baselines: candidate less each baseline.
        production: candidate less production; None where there is no other production model.
        slices: the candidate's, with their differences to production.
        ahead_days: by which its snapshot is newer than production's; None where there is none.
    """
    # So few users' lists can't hold a larger share of the catalogue.
    attainable = min(1.0, K * n_users / n_movies) if n_movies else 0.0
    floors = {
        "auc": settings.gate_min_auc,
        "ndcg_at_10": settings.gate_min_ndcg_at_10,
        "hit_rate_at_10": settings.gate_min_hit_rate_at_10,
        "coverage_at_10": settings.gate_min_coverage * attainable,
    }
    enough = n_users >= settings.evaluation_min_users
    reasons = [
        Reason("judged_users", n_users, settings.evaluation_min_users, enough),
        *(_at_least(name, metrics.get(name), floor) for name, floor in floors.items()),
        _beats_popularity(baselines.get(POPULARITY)),
        *(_beats(name, lead) for name, lead in baselines.items() if name != POPULARITY),
    ]
    if ahead_days is not None:
        # A run of a past date would win with what production has forgotten since.
        newer = ahead_days >= 0
        reasons.append(Reason("not_older_than_production", ahead_days, 0.0, passed=newer))
    if production is not None:
        reasons += _beside_production(settings, production)
        reasons += _worst_slice(settings, slices)
    passed = all(reason.passed for reason in reasons if reason.severity == "fail")
    return GateResult(passed, [asdict(reason) for reason in reasons])


def _at_least(rule: str, value: Estimate | None, threshold: float) -> Reason:
    if value is None:
        return Reason(rule, None, threshold, passed=False)
    return _reason(rule, value, threshold, passed=value.value >= threshold)


def _beats_popularity(lead: Estimate | None) -> Reason:
    rule = f"beats_{POPULARITY}"
    if lead is None:
        return Reason(rule, None, 0.0, passed=False)
    return _reason(rule, lead, 0.0, passed=lead.low > 0.0)


def _beats(name: str, lead: Estimate) -> Reason:
    # Nobody can deploy a baseline: refusing the candidate would leave users with a worse model.
    return _reason(f"beats_{name}", lead, 0.0, passed=lead.high >= 0.0, severity="warn")


def _beside_production(settings: Settings, lead: Estimate) -> Iterable[Reason]:
    # A loss that is certain is refused however small, or many of them would add up; a large one
    # is refused even where few users leave it uncertain.
    yield _reason("not_worse_than_production", lead, 0.0, passed=lead.high >= 0.0)
    limit = -settings.gate_max_loss
    yield _reason("close_to_production", lead, limit, passed=lead.value >= limit)


def _worst_slice(settings: Settings, slices: Iterable[SliceResult]) -> Iterable[Reason]:
    """The rule about slices, with the worst one; no rule where none counts."""
    limit = -settings.gate_max_slice_loss
    leads = [
        (part.against_production, part.name)
        for part in slices
        if part.against_production is not None and part.n_users >= MIN_SLICE_USERS
    ]
    worse = [(lead, name) for lead, name in leads if lead.value < limit and lead.high < 0.0]
    for lead, name in sorted(worse or leads, key=lambda found: found[0].value)[:1]:
        yield _reason("no_slice_worse", lead, limit, passed=not worse, about=name)


def _reason(
    rule: str,
    value: Estimate,
    threshold: float,
    *,
    passed: bool,
    severity: Literal["fail", "warn"] = "fail",
    about: str = "",
) -> Reason:
    return Reason(rule, value.value, threshold, passed, value.low, value.high, severity, about)
