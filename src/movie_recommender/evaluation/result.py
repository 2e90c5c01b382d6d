"""What the step says of a model version: small, and JSON-able."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from movie_recommender.evaluation import gate, report
from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import Contest, SliceResult
from movie_recommender.evaluation.task import Task
from movie_recommender.evaluation.window import Window
from movie_recommender.registry.client import PRODUCTION
from movie_recommender.settings import Settings

CANDIDATE = "candidate"
"""The judged version's name in a contest."""


@dataclass(frozen=True)
class EvaluationResult:
    """A model version on the newest window. JSON-able, some kilobytes.

    `metrics`, `baselines[name]` and `production` hold means over users (see `protocol.Judgement`),
    the last one the `version` too; `intervals` the 95 % bootstrap intervals of `metrics`;
    `differences[rival]` the NDCG@10 by which the version is ahead of each baseline and of
    production, [mean, low, high]; `slices` what it did on parts of the window. `headline` is the
    verdict in a sentence, `page` the address of the report. With no positive in the window the
    metrics are empty and the gate says no.
    """

    version: int
    as_of: str
    window_start: str
    window_end: str
    n_users: int
    n_positives: int
    headline: str
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    baselines: dict[str, dict[str, float]]
    production: dict[str, float] | None
    differences: dict[str, list[float]]
    slices: list[dict[str, Any]]
    gate: dict[str, Any]
    page: str | None = None

    def logged(self) -> dict[str, float]:
        """What MLflow keeps: metrics, their intervals, leads, and the gate's verdict, `eval_…`."""
        logged = {f"eval_{name}": value for name, value in self.metrics.items()}
        for name, (low, high) in self.intervals.items():
            logged |= {f"eval_{name}_low": low, f"eval_{name}_high": high}
        for name, (lead, low, high) in self.differences.items():
            lead_of = f"eval_ndcg_at_10_ahead_of_{name}"
            logged |= {lead_of: lead, f"{lead_of}_low": low, f"{lead_of}_high": high}
        return logged | {"eval_gate_passed": float(self.gate["passed"])}


def result_of(
    settings: Settings,
    version: int,
    window: Window,
    task: Task,
    contest: Contest | None,
    *,
    rival: int | None = None,
    ahead_days: float | None = None,
) -> EvaluationResult:
    """The verdict on model `version`.

    Args:
        settings: of the gate.
        version: of the candidate.
        window: what was judged.
        task: its pairs.
        contest: of `CANDIDATE`, baselines by name, and `PRODUCTION` if there is a rival; None where
            there was nothing to judge.
        rival: version in production, if it is another one.
        ahead_days: by which the version's snapshot is newer than the rival's, if both are known.
    """
    models: dict[str, dict[str, Estimate]] = {}
    differences: dict[str, Estimate] = {}
    slices: list[SliceResult] = []
    if contest is not None:
        models = {name: contest.metrics(name) for name in contest.models}
        differences = {
            name: contest.difference(CANDIDATE, name) for name in models if name != CANDIDATE
        }
        slices = contest.by_slice(CANDIDATE, production=None if rival is None else PRODUCTION)
    metrics = models.pop(CANDIDATE, {})
    in_production = models.pop(PRODUCTION, None)
    baselines = {name: differences[name] for name in models}
    verdict = gate.decide(
        settings,
        n_users=len(task.users),
        n_movies=task.dataset.movies.num_rows,
        metrics=metrics,
        baselines=baselines,
        production=differences.get(PRODUCTION),
        slices=slices,
        ahead_days=ahead_days,
    )
    return EvaluationResult(
        version=version,
        as_of=window.end.isoformat(),
        window_start=window.start.isoformat(),
        window_end=window.end.isoformat(),
        n_users=len(task.users),
        n_positives=len(task.user),
        headline=report.headline(version, passed=verdict.passed, baselines=baselines),
        metrics=_values(metrics),
        intervals={name: estimate.interval() for name, estimate in metrics.items()},
        baselines={name: _values(of_model) for name, of_model in models.items()},
        production=(
            None
            if in_production is None or rival is None
            else {"version": rival, **_values(in_production)}
        ),
        differences={name: _numbers(lead) for name, lead in differences.items()},
        slices=[_short(part) for part in slices],
        gate=asdict(verdict),
    )


def _values(metrics: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: estimate.value for name, estimate in metrics.items()}


def _numbers(estimate: Estimate) -> list[float]:
    return [estimate.value, *estimate.interval()]


def _short(part: SliceResult) -> dict[str, Any]:
    """A slice for XCom: what can be said of it in words isn't there, numbers have four decimals."""

    def short(estimate: Estimate) -> list[float]:
        return [round(number, 4) for number in _numbers(estimate)]

    lead = part.against_production
    return {
        "name": part.name,
        "n_users": part.n_users,
        "n_positives": part.n_positives,
        "ndcg_at_10": short(part.ndcg_at_10),
        "hit_rate_at_10": short(part.hit_rate_at_10),
        "against_production": None if lead is None else short(lead),
    }
