"""What the alerts say: plain data in, an alert out; nothing is sent here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from movie_recommender.orchestration.message import Line, Link, Message, mail, mrkdwn, one_line

MAX_WARNINGS = 5
"""Most warnings of the features in an alert; the report has all."""


@dataclass(frozen=True)
class RunFacts:
    """Which run an alert is about; `execution_date` is ISO 8601 in UTC, `base_url` Airflow's."""

    dag_id: str
    run_id: str
    execution_date: str
    base_url: str

    def url(self, task_id: str | None = None) -> str:
        """Airflow's page of the run, or of one task in it with its log."""
        page = f"{self.base_url.rstrip('/')}/dags/{quote(self.dag_id)}/runs/{quote(self.run_id)}"
        return page if task_id is None else f"{page}/tasks/{quote(task_id)}"


@dataclass(frozen=True)
class ModelFacts:
    """What the run did about the model.

    Attributes:
        version: the evaluated one.
        deployed: whether it is in production now.
        gate_passed: the gate's verdict.
        reasons: each rule of the gate, as `evaluation.gate.Reason`.
        metrics: the version's.
        production: the same metrics of the version that was in production, with its `version`;
            None where there was no other one to compare with.
        lead: NDCG@10 by which the version is ahead of it: mean, low and high of 95 %.
        warnings: of the features' quality rules.
        links: address by name: the report, the model's pages.
    """

    version: str
    deployed: bool
    gate_passed: bool
    reasons: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    production: Mapping[str, Any] | None = None
    lead: Sequence[float] | None = None
    warnings: Sequence[str] = ()
    links: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Alert:
    """One alert as each channel wants it: Slack's mark-up, and a mail's subject and HTML."""

    text: str
    subject: str
    html: str


def failure_alert(run: RunFacts, failed: Iterable[str]) -> Alert:
    """The alert about a failed run: DAG, run, execution date, each failed task's log."""
    tasks = list(failed)
    logs = [Link(run.url(task), f"{task} (log)") for task in tasks]
    line = Line("Failed tasks", logs or ["none found; see the run"])
    message = Message("🔴", f"{run.dag_id} failed", [*_facts(run), line])
    return _alert(run, message, f"failed: {', '.join(tasks) or 'unknown task'}")


def success_alert(run: RunFacts, model: ModelFacts) -> Alert:
    """The alert about a run that succeeded: its model, beside production, the gate, links."""
    outcome = "now in production" if model.deployed else "not deployed; production is unchanged"
    more = len(model.warnings) - MAX_WARNINGS
    lines = [
        *_facts(run),
        Line("Model version", [f"{model.version} ({outcome})"]),
        Line("Gate", ["passed" if model.gate_passed else "not passed"]),
        *(_reason(reason) for reason in model.reasons),
        *_metrics(model),
        *(Line("", [f"⚠ {warning}"]) for warning in model.warnings[:MAX_WARNINGS]),
        *([Line("", [f"⚠ and {more} more, see the report"])] if more > 0 else []),
    ]
    if model.links:
        lines.append(Line("Links", [Link(url, name) for name, url in model.links.items()]))
    title = f"{run.dag_id} succeeded"
    verdict = "now in production" if model.deployed else "not deployed"
    return _alert(run, Message("🟢", title, lines), f"succeeded: version {model.version} {verdict}")


def task_sla_alert(
    run: RunFacts, task_id: str, try_number: int, *, sla: str, running: str
) -> Alert:
    """The alert about a task that isn't over after its SLA."""
    title = f"{task_id} is late: begun {running} ago, SLA {sla}"
    log = Link(run.url(task_id), f"{task_id} (log), try {try_number}")
    return _alert(run, Message("⚠", title, [*_facts(run), Line("Task", [log])]), title)


def run_sla_alert(run: RunFacts, *, sla: str) -> Alert:
    """The alert about a run that isn't over after its SLA."""
    title = f"{run.dag_id} is late: not finished {sla} after it was queued"
    return _alert(run, Message("⚠", title, _facts(run)), title)


def _alert(run: RunFacts, message: Message, subject: str) -> Alert:
    return Alert(
        text=mrkdwn(message),
        subject=one_line(f"[{run.dag_id}] {subject} ({run.run_id})"),
        html=mail(message),
    )


def _facts(run: RunFacts) -> list[Line]:
    return [
        Line("DAG", [run.dag_id]),
        Line("Run", [Link(run.url(), run.run_id)]),
        Line("Execution date", [run.execution_date]),
    ]


def _metrics(model: ModelFacts) -> list[Line]:
    """The metrics, beside those of the version that was in production."""
    rival = model.production
    if not model.metrics:
        return []
    if rival is None:
        values = [f"{name} {_number(value)}" for name, value in sorted(model.metrics.items())]
        return [Line("Metrics", values), Line("Production", ["no other version to compare with"])]
    beside = [
        _beside(name, value, rival.get(name)) for name, value in sorted(model.metrics.items())
    ]
    lines = [Line(f"Metrics (those of version {rival.get('version')} in production)", beside)]
    if model.lead is not None:
        mean, low, high = model.lead
        interval = f"{mean:+.4g} [{low:.4g}, {high:.4g}]"
        lines.append(Line("Ahead of production in NDCG@10", [interval]))
    return lines


def _beside(name: str, value: Any, rival: Any) -> str:
    both = f"{name} {_number(value)} ({_number(rival)}"
    numbers = isinstance(value, (int, float)) and isinstance(rival, (int, float))
    return f"{both}, {value - rival:+.4g})" if numbers else f"{both})"


def _reason(reason: Mapping[str, Any]) -> Line:
    about = f" ({reason['about']})" if reason.get("about") else ""
    value, threshold = _number(reason.get("value")), _number(reason.get("threshold"))
    low, high = reason.get("low"), reason.get("high")
    interval = "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"
    text = f"{value}{interval} against {threshold}: {_verdict(reason)}"
    return Line(f"• {reason.get('rule', 'unnamed rule')}{about}", [text])


def _verdict(reason: Mapping[str, Any]) -> str:
    if reason.get("passed") is True:
        return "ok"
    return "WARNING" if reason.get("severity") == "warn" else "NOT MET"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(value)
