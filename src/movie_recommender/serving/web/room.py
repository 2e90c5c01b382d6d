"""The model room's view: versions with their metrics in plots, and the gate's verdict on one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from movie_recommender.serving.registry_api import PREVIOUS, PRODUCTION
from movie_recommender.serving.versions import Version
from movie_recommender.serving.web.plots import Estimate, Plot, Whisker, plot, whisker
from movie_recommender.settings import Settings

ROLLED_BACK = "rolled_back"

METRICS = {
    "ndcg_at_10": ("NDCG@10", "how high in a list of ten the liked movie stands"),
    "hit_rate_at_10": ("Hit rate@10", "how often it is among the ten at all"),
    "auc": ("AUC", "how often it is ranked above one that wasn't met"),
}

BASELINES = {"item_knn": "item-kNN", "ease": "EASE", "als": "iALS", "bpr": "BPR"}

RULES = {
    "judged_users": "enough users were judged",
    "auc": "AUC is high enough",
    "ndcg_at_10": "NDCG@10 is high enough",
    "hit_rate_at_10": "hit rate@10 is high enough",
    "coverage_at_10": "the lists show enough different movies",
    "beats_popularity": "better than showing everybody what is popular",
    "not_older_than_production": "learned from days as new as the model in production did",
    "not_worse_than_production": "not surely worse than the model in production",
    "close_to_production": "loses little, if anything, to the model in production",
    "no_slice_worse": "no group of users or movies loses much",
}


@dataclass(frozen=True)
class Metric:
    """One metric of all versions."""

    name: str
    meaning: str
    plot: Plot


@dataclass(frozen=True)
class Line:
    """One version in the table."""

    version: Version
    role: str
    estimates: dict[str, Estimate | None]


@dataclass(frozen=True)
class Rule:
    """One rule of the gate and what it saw; `state`: ok, warn or fail."""

    text: str
    state: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None
    whisker: Whisker | None


@dataclass(frozen=True)
class Verdict:
    """The gate's verdict on one version; `page`: address of the whole report, or None."""

    version: int
    passed: bool
    headline: str
    window: str
    n_users: int
    rules: list[Rule]
    page: str | None


@dataclass(frozen=True)
class Room:
    """The model room: versions, newest first."""

    lines: list[Line]
    metrics: list[Metric]
    production: int | None
    previous: int | None


def room_of(settings: Settings, versions: Sequence[Version]) -> Room:
    """The view of `versions`, newest first."""
    return Room(
        lines=[
            Line(version, role_of(version), {name: estimate(version, name) for name in METRICS})
            for version in versions
        ],
        metrics=[
            Metric(*METRICS[name], _plot(versions, name, getattr(settings, f"gate_min_{name}")))
            for name in METRICS
        ],
        production=_with_alias(versions, PRODUCTION),
        previous=_with_alias(versions, PREVIOUS),
    )


def estimate(version: Version, name: str) -> Estimate | None:
    """A metric of the version's evaluation with its interval; None: it has none."""
    value = version.metrics.get(f"eval_{name}")
    if value is None or not math.isfinite(value):
        return None
    low, high = (version.metrics.get(f"eval_{name}_{end}") for end in ("low", "high"))
    return Estimate(value, low, high)


def role_of(version: Version) -> str:
    """What the version is now: production, previous, rolled back, refused, or a candidate."""
    if PRODUCTION in version.aliases:
        return PRODUCTION
    if ROLLED_BACK in version.tags:
        return "rolled back"
    if PREVIOUS in version.aliases:
        return PREVIOUS
    if version.passed is None:
        return "not judged"
    return "candidate" if version.passed else "refused"


def verdict_of(version: int, judgement: Mapping[str, Any]) -> Verdict:
    """The view of an evaluation, as MLflow keeps it.

    Raises:
        KeyError: it isn't one.
    """
    page = judgement.get("page")
    return Verdict(
        version=version,
        passed=bool(judgement["gate"]["passed"]),
        headline=str(judgement["headline"]),
        window=f"{judgement['window_start'][:10]} to {judgement['window_end'][:10]}",
        n_users=int(judgement["n_users"]),
        rules=[_rule(reason) for reason in judgement["gate"]["reasons"]],
        page=page if str(page).startswith(("http://", "https://")) else None,
    )


def _rule(reason: Mapping[str, Any]) -> Rule:
    name, value, threshold = reason["rule"], reason["value"], reason["threshold"]
    text = RULES.get(name) or f"not behind {_baseline(name.removeprefix('beats_'))}"
    if reason.get("about"):
        text = f"{text} ({reason['about']})"
    state = "ok" if reason["passed"] else str(reason.get("severity", "fail"))
    drawn = None
    low, high = reason.get("low"), reason.get("high")
    if value is not None and threshold is not None and low is not None:
        drawn = whisker(Estimate(value, low, high), threshold)
    return Rule(text, state, value, low, high, threshold, drawn)


def _baseline(name: str) -> str:
    return BASELINES.get(name, name.replace("_", " "))


def _plot(versions: Sequence[Version], name: str, threshold: float) -> Plot:
    found = [(version.number, estimate(version, name)) for version in reversed(versions)]
    return plot([(number, one) for number, one in found if one is not None], threshold)


def _with_alias(versions: Sequence[Version], alias: str) -> int | None:
    return next((version.number for version in versions if alias in version.aliases), None)
