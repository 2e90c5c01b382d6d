"""One evaluation as an HTML page, complete in itself: no script, no other file, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import LEADING
from movie_recommender.evaluation.facts import Facts
from movie_recommender.evaluation.report import metrics_of
from movie_recommender.evaluation.result import EvaluationResult
from movie_recommender.features.drift import SOME, STRONG, Measure, limit_of
from movie_recommender.features.profiles import GENRES
from movie_recommender.pages import template

LOWER_IS_BETTER = frozenset({"calibration_at_10"})
NOT_A_MERIT = frozenset({"novelty_at_10", "diversity_at_10"})
"""Of these neither more nor less is better by itself."""

_WIDTH, _HEIGHT = 300.0, 110.0


@dataclass(frozen=True)
class Curve:
    """A metric over the training's steps, as an SVG path in a box of `_WIDTH` by `_HEIGHT`."""

    name: str
    points: Sequence[tuple[int, float]]
    path: str
    low: float
    high: float

    @property
    def end(self) -> tuple[float, float]:
        """Where the last point is."""
        x, y = self.path.rsplit(" ", 1)[-1].lstrip("ML").split(",")
        return float(x), float(y)


def render(result: EvaluationResult, facts: Facts) -> str:
    """The page: verdict, gate, models, slices, learning curves, genres, lists, drift, versions.

    Every value in it is escaped. The same arguments give the same page.
    """
    metrics = metrics_of(facts.models.values())
    return template(__package__, "page.html", number=_number).render(
        result=result,
        facts=facts,
        state=_state(result),
        metrics=metrics,
        best={name: _best(name, facts.models) for name in metrics},
        leading=LEADING,
        model_range=_range([of[LEADING] for of in facts.models.values() if LEADING in of]),
        slice_range=_range([part.ndcg_at_10 for part in facts.slices]),
        beside_production=any(part.against_production for part in facts.slices),
        curves=[_curve(name, points) for name, points in facts.curves.items() if points],
        drift=[_drift(feature, value) for feature, value in _farthest(facts.drift)],
        width=_WIDTH,
        height=_HEIGHT,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _state(result: EvaluationResult) -> str:
    if not result.gate["passed"]:
        return "fail"
    return "ok" if all(reason["passed"] for reason in result.gate["reasons"]) else "warn"


def _best(metric: str, models: Mapping[str, Mapping[str, Estimate]]) -> str | None:
    """Who has the best mean; None where there is no better and worse."""
    if metric in NOT_A_MERIT:
        return None
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    values = {name: sign * of[metric].value for name, of in models.items() if metric in of}
    return max(values, key=lambda name: values[name])


def _range(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """What an axis must hold, never empty."""
    low = min((one.low for one in estimates), default=0.0)
    high = max((one.high for one in estimates), default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _curve(name: str, points: Sequence[tuple[int, float]]) -> Curve:
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    span, length = (high - low) or 1.0, (steps[-1] - steps[0]) or 1
    places = (
        (_WIDTH * (step - steps[0]) / length, _HEIGHT * (1.0 - (value - low) / span))
        for step, value in points
    )
    path = " ".join(f"{'L' if i else 'M'}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(places))
    return Curve(name, points, path, low, high)


def _farthest(drift: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(drift.items(), key=lambda item: -item[1])


def _drift(feature: str, value: float) -> dict[str, Any]:
    measure: Measure = "Jensen-Shannon distance" if feature == GENRES else "PSI"
    some, strong = limit_of(measure, SOME), limit_of(measure, STRONG)
    level = "strong" if value > strong else "some" if value > some else "none"
    return {"feature": feature, "measure": measure, "value": value, "level": level}
