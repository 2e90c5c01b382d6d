"""The evaluation as a page of Markdown, kept with the model's run in MLflow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from movie_recommender.evaluation.run import EvaluationResult

_COLUMNS = ("ndcg_at_10", "hit_rate_at_10", "auc", "full_ndcg_at_10", "full_hit_rate_at_10")


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


def _row(name: str, values: Mapping[str, float]) -> str:
    return f"| {name} | {' | '.join(_number(values.get(column)) for column in _COLUMNS)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
