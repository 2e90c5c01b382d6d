"""Results as Markdown: the page kept with the model's run in MLflow, and the table of rankers."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movie_recommender.evaluation.compare import Ranked
    from movie_recommender.evaluation.run import EvaluationResult

_COLUMNS = ("ndcg_at_10", "hit_rate_at_10", "auc", "full_ndcg_at_10", "full_hit_rate_at_10")
_GATED = _COLUMNS[:3]


def markdown(result: "EvaluationResult") -> str:
    """Verdict, reasons and the table of models; values are means over users."""
    verdict = "passed" if result.gate["passed"] else "did not pass"
    lines = [
        f"# Model version {result.version} {verdict} the gate",
        "",
        f"Window {result.window_start} to {result.window_end}: {result.n_positives} positives of "
        f"{result.n_users} users, each against 99 movies the user has not seen; ties count "
        "against the model. `full_` columns rank the whole catalogue.",
        "",
        "| rule | value | threshold | held |",
        "|---|---|---|---|",
        *(
            f"| {r['rule']} | {_number(r['value'])} | {_number(r['threshold'])} "
            f"| {'yes' if r['passed'] else 'no'} |"
            for r in result.gate["reasons"]
        ),
        "",
        f"| model | {' | '.join(_COLUMNS)} |",
        f"|---|{'---|' * len(_COLUMNS)}",
        _row(f"version {result.version}", result.metrics),
        *(_row(name, values) for name, values in result.baselines.items()),
    ]
    if result.production is not None:
        lines.append(
            _row(f"production (version {result.production['version']})", result.production)
        )
    return "\n".join(lines) + "\n"


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


def _row(name: str, values: Mapping[str, float]) -> str:
    return f"| {name} | {' | '.join(_number(values.get(column)) for column in _COLUMNS)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
