"""`movie-recommender doctor`: whether this installation can do its work, and what to do if not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from movie_recommender.cli.configuration import AsJson, WithAirflow
from movie_recommender.cli.shared import now, print_json, print_table
from movie_recommender.orchestration import outside
from movie_recommender.orchestration.outside import Airflow
from movie_recommender.settings import usable_settings

if TYPE_CHECKING:
    from movie_recommender.doctor import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    *,
    as_json: AsJson = False,
    airflow: WithAirflow = True,
    send_test_alert: Annotated[
        bool, typer.Option("--send-test-alert", help="Send one by each channel of ALERT_CHANNELS.")
    ] = False,
) -> None:
    """Check every connection, right, disk, clock and version, and say what to do about each.

    Exit code 0: a run can succeed, be it with warnings; 1: something fails.
    """
    from movie_recommender.doctor import Case, alerts, examine

    seen = outside.look() if airflow else Airflow(missing="--no-airflow was given")
    values, wrong = usable_settings(*seen.layers)
    findings = examine(Case(values, clock=now, wrong=wrong, airflow=seen))
    if send_test_alert:
        findings += alerts.send_test_alert()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(_table(findings))
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("", "about", "seen", "what to do", box=None, pad_edge=False)
    for finding in findings:
        style = _STYLES[finding.status]
        row = (Text(text) for text in (finding.about, finding.seen, finding.remedy))
        table.add_row(Text(finding.status, style=style), *row)
    return table
