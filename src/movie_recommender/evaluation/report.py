"""Results as Markdown: the page kept with the model's run in MLflow, and the table of rankers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import ahead

if TYPE_CHECKING:
    from movie_recommender.evaluation.compare import Ranked
    from movie_recommender.evaluation.result import EvaluationResult

_GATED = ("ndcg_at_10", "hit_rate_at_10", "auc")


def headline(version: int, *, passed: bool, baselines: Mapping[str, Estimate]) -> str:
    """The verdict on `version` in a sentence, with every baseline that is ahead of it.

    Args:
        version: of the model.
        passed: whether the gate lets it through.
        baselines: NDCG@10 of the version less that of each.
    """
    verdict = f"Model version {version} {'passed' if passed else 'did not pass'} the gate"
    leaders = [_leads(name, baselines[name]) for name in ahead(baselines)]
    return "; ".join([verdict, *leaders])


def _leads(name: str, difference: Estimate) -> str:
    certain = difference.high < 0.0
    lead = f"by {-difference.value:.4f} [{-difference.high:.4f}, {-difference.low:.4f}] NDCG@10"
    return f"{name} {'beats it' if certain else 'is ahead, if not certainly,'} {lead}"


def markdown(result: "EvaluationResult") -> str:
    """Verdict, reasons, the table of models and the slices; values are means over users."""
    lines = [
        f"# {result.headline}",
        "",
        f"Window {result.window_start} to {result.window_end}: {result.n_positives} positives of "
        f"{result.n_users} users, each against 99 movies the user has not seen; ties count "
        "against the model. `full_` metrics and those after them are of the list of the whole "
        "catalogue but for what the user had seen. Intervals are of 95 %, by bootstrap over users.",
        "",
        "| rule | value | interval | threshold | held |",
        "|---|---|---|---|---|",
        *(_rule(reason) for reason in result.gate["reasons"]),
        "",
        *_models(result),
        *_slices(result.slices),
    ]
    return "\n".join(lines) + "\n"


def metrics_of(models: Iterable[Mapping[str, object]]) -> list[str]:
    """The metrics that any of `models` has, in the order in which they were judged."""
    return list(dict.fromkeys(name for metrics in models for name in metrics))


def ranker_table(rankers: "Iterable[Ranked]") -> str:
    """A row for each ranker, in their order: means [95 % intervals], and the gate."""
    lines = [
        f"| ranker | {' | '.join(_GATED)} | gate |",
        f"|---|{'---|' * (len(_GATED) + 1)}",
    ]
    for ranked in rankers:
        cells = [
            f"{ranked.metrics[name]:.3f} [{low:.3f}, {high:.3f}]"
            for name in _GATED
            for low, high in [ranked.intervals[name]]
        ]
        verdict = "passes" if ranked.passes_gate else "fails"
        lines.append(f"| {ranked.name} | {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines) + "\n"


def _rule(reason: Mapping[str, Any]) -> str:
    held = "yes" if reason["passed"] else "no" if reason["severity"] == "fail" else "no, a warning"
    name = f"{reason['rule']} ({reason['about']})" if reason["about"] else reason["rule"]
    interval = _interval(reason["low"], reason["high"])
    cells = [name, _number(reason["value"]), interval, _number(reason["threshold"]), held]
    return f"| {' | '.join(cells)} |"


def _models(result: "EvaluationResult") -> list[str]:
    """A column for each model, a row for each metric."""
    models: dict[str, Mapping[str, float]] = {f"version {result.version}": result.metrics}
    if result.production is not None:
        models[f"production (version {result.production['version']})"] = result.production
    models |= result.baselines
    return [
        f"| metric | interval | {' | '.join(models)} |",
        f"|---|---|{'---|' * len(models)}",
        *(
            f"| {name} | {_interval(*result.intervals.get(name, (None, None)))} | "
            f"{' | '.join(_number(values.get(name)) for values in models.values())} |"
            for name in metrics_of([result.metrics, *result.baselines.values()])
        ),
    ]


def _slices(slices: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"| {part['name']} | {part['n_users']} | {part['n_positives']} | "
        f"{_three(part['ndcg_at_10'])} | {_three(part['hit_rate_at_10'])} | "
        f"{_three(part['against_production'])} |"
        for part in slices
    ]
    head = "| slice | users | positives | ndcg_at_10 | hit_rate_at_10 | ahead of production |"
    return ["", head, "|---|---|---|---|---|---|", *lines] if lines else []


def _three(estimate: Sequence[float] | None) -> str:
    if estimate is None:
        return "-"
    value, low, high = estimate
    return f"{_number(value)} {_interval(low, high)}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{low:.4f}, {high:.4f}]"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
