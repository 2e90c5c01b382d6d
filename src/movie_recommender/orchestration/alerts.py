"""What the alerts say: plain data in, Slack mrkdwn or HTML out; nothing is sent here.

Every value is escaped, because ids, reasons and versions can come from strangers: a movie called
`<!channel>` pings nobody, and a line break can't add a header to a mail.
"""

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

MAX_VALUE_CHARS = 300
"""Longest value quoted in an alert; Slack shows a few thousand characters in all."""


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
    """What the run did about the model; `version` is the evaluated one.

    `warnings`: of the features' quality rules. `page`: address of the evaluation's report.
    """

    version: str
    deployed: bool
    gate_passed: bool
    reasons: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    warnings: Sequence[str] = ()
    page: str | None = None


@dataclass(frozen=True)
class Alert:
    """One alert as each channel wants it: Slack mrkdwn, and a mail's subject and HTML."""

    text: str
    subject: str
    html: str


def one_line(value: object) -> str:
    """`value` as one line of visible characters, at most `MAX_VALUE_CHARS` long.

    Control and formatting characters (line breaks, right-to-left marks) become spaces.
    """
    visible = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char
        for char in str(value)
    )
    short = " ".join(visible.split())
    return short if len(short) <= MAX_VALUE_CHARS else f"{short[: MAX_VALUE_CHARS - 1]}…"


def slack_escape(value: object) -> str:
    """`value` for Slack's mrkdwn: its three control characters as entities, no code marks."""
    return html.escape(one_line(value), quote=False).replace("`", "'")


def slack_link(url: str, label: object) -> str:
    """A link in mrkdwn."""
    return f"<{slack_escape(url).replace('|', '%7C')}|{slack_escape(label).replace('|', '/')}>"


def failure_text(run: RunFacts, failed: Iterable[str]) -> str:
    """The Slack message about a failed run: DAG, run, execution date, each failed task's log."""
    tasks = ", ".join(slack_link(run.url(task), f"{task} (log)") for task in failed)
    return "\n".join(
        [
            f":red_circle: *{slack_escape(run.dag_id)} failed*",
            *_slack_facts(run),
            f"Failed tasks: {tasks or 'none found; see the run'}",
        ]
    )


def failure_subject(run: RunFacts, failed: Iterable[str]) -> str:
    """The failure mail's subject; one line whatever the ids contain."""
    return one_line(f"[{run.dag_id}] failed: {', '.join(failed) or 'unknown task'} ({run.run_id})")


def failure_mail(run: RunFacts, failed: Iterable[str]) -> str:
    """The HTML of the failure mail; says the same as `failure_text`."""
    items = "".join(f"<li>{_mail_link(run.url(task), f'{task} (log)')}</li>" for task in failed)
    return (
        f"<h3>{_mail_escape(run.dag_id)} failed</h3>{_mail_facts(run)}"
        f"<p>Failed tasks:</p><ul>{items or '<li>none found; see the run</li>'}</ul>"
    )


def success_text(run: RunFacts, model: ModelFacts) -> str:
    """The Slack message about a run that succeeded: its model, the gate's reasons, warnings."""
    outcome = "now in production" if model.deployed else "not deployed; production is unchanged"
    more = len(model.warnings) - MAX_WARNINGS
    metrics = ", ".join(
        f"{slack_escape(name)} {_number(value)}" for name, value in sorted(model.metrics.items())
    )
    return "\n".join(
        [
            f":large_green_circle: *{slack_escape(run.dag_id)} succeeded*",
            *_slack_facts(run),
            f"Model version: {slack_escape(model.version)} ({outcome})",
            f"Gate: {'passed' if model.gate_passed else 'not passed'}",
            *(f"• {_reason(reason)}" for reason in model.reasons),
            *([f"Metrics: {metrics}"] if metrics else []),
            *([f"Report: {slack_link(model.page, 'evaluation')}"] if model.page else []),
            *(f":warning: {slack_escape(warning)}" for warning in model.warnings[:MAX_WARNINGS]),
            *([f":warning: and {more} more, see the report"] if more > 0 else []),
        ]
    )


def task_sla_alert(
    run: RunFacts, task_id: str, try_number: int, *, sla: str, running: str
) -> Alert:
    """The alert about a task that is still running after its SLA."""
    title = f"{task_id} is late: running for {running}, SLA {sla}"
    url = run.url(task_id)
    log = f"{task_id} (log), try {try_number}"
    return _late(
        run, title, f"Task: {slack_link(url, log)}", f"<p>Task: {_mail_link(url, log)}</p>"
    )


def run_sla_alert(run: RunFacts, *, sla: str) -> Alert:
    """The alert about a run that isn't over after its SLA."""
    return _late(run, f"{run.dag_id} is late: not finished {sla} after it was queued")


def _late(run: RunFacts, title: str, slack_line: str = "", mail_line: str = "") -> Alert:
    lines = [f":warning: *{slack_escape(title)}*", *_slack_facts(run), slack_line]
    return Alert(
        text="\n".join(line for line in lines if line),
        subject=one_line(f"[{run.dag_id}] {title} ({run.run_id})"),
        html=f"<h3>{_mail_escape(title)}</h3>{_mail_facts(run)}{mail_line}",
    )


def _slack_facts(run: RunFacts) -> list[str]:
    return [
        f"DAG: {slack_escape(run.dag_id)}",
        f"Run: {slack_link(run.url(), run.run_id)}",
        f"Execution date: {slack_escape(run.execution_date)}",
    ]


def _mail_escape(value: object) -> str:
    return html.escape(one_line(value))


def _mail_link(url: str, label: object) -> str:
    return f'<a href="{_mail_escape(url)}">{_mail_escape(label)}</a>'


def _mail_facts(run: RunFacts) -> str:
    rows = {
        "DAG": _mail_escape(run.dag_id),
        "Run": _mail_link(run.url(), run.run_id),
        "Execution date": _mail_escape(run.execution_date),
    }
    cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows.items())
    return f"<table>{cells}</table>"


def _reason(reason: Mapping[str, Any]) -> str:
    rule = slack_escape(reason.get("rule", "unnamed rule"))
    about = f" ({slack_escape(reason['about'])})" if reason.get("about") else ""
    value, threshold = _number(reason.get("value")), _number(reason.get("threshold"))
    low, high = reason.get("low"), reason.get("high")
    interval = "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"
    return f"{rule}{about}: {value}{interval} against {threshold}: {_verdict(reason)}"


def _verdict(reason: Mapping[str, Any]) -> str:
    if reason.get("passed") is True:
        return "ok"
    return "WARNING" if reason.get("severity") == "warn" else "NOT MET"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else slack_escape(value)
