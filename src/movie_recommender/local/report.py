"""What a run did: `var/run_report.json` and the closing lines in the terminal."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from movie_recommender.local.follow import DAG_ID, FinishedRun, seconds_of, task_table

Report = dict[str, Any]


def build(
    finished: FinishedRun,
    *,
    results: Mapping[str, Any],
    notifications: list[dict[str, Any]],
    model_name: str,
    urls: Mapping[str, str | None],
) -> Report:
    """The report; every key is there, null where its task didn't run.

    Args:
        finished: the run.
        results: what each task returned, by task id.
        notifications: what was sent to Slack and by mail during the run.
        model_name: name of the registered model.
        urls: where `airflow`, `mlflow` and `serving` answer.
    """
    seconds = {task["task_id"]: seconds_of(task) for task in finished.tasks}
    extracted = results.get("extract_events") or {}
    built = results.get("compute_features") or {}
    evaluated = results.get("evaluate_model") or {}
    totals = extracted.get("totals") or {}
    return {
        "dag_id": DAG_ID,
        "run_id": finished.run["dag_run_id"],
        "state": finished.run["state"],
        "seconds": seconds_of(finished.run),
        "tasks": {
            task["task_id"]: {
                "state": task["state"],
                "seconds": seconds[task["task_id"]],
                "try_number": task["try_number"],
            }
            for task in finished.tasks
        },
        "lake": {
            "version": (extracted.get("lake_versions") or {}).get("interactions"),
            "interactions": totals.get("interactions"),
            "dead_letters": totals.get("dead_letters"),
        },
        "features": {
            "snapshot_id": built.get("snapshot_id"),
            "seconds": seconds.get("compute_features"),
            "warnings": built.get("warnings") or [],
            "drift": built.get("drift") or {},
            "page": built.get("page"),
        },
        "metrics": evaluated.get("metrics") or {},
        "evaluation": {
            name: evaluated.get(name)
            for name in ("headline", "page", "intervals", "baselines", "differences", "slices")
        },
        "gate": evaluated.get("gate") or {"passed": None, "reasons": []},
        "model": _model(results, model_name),
        "notifications": notifications,
        "urls": dict(urls),
    }


def _model(results: Mapping[str, Any], name: str) -> Report:
    deployed = results.get("deploy_model")
    if deployed:
        return {"name": deployed["name"], "version": deployed["version"], "alias": "production"}
    trained = results.get("train_model") or {}
    return {"name": name, "version": trained.get("version"), "alias": None}


def write(path: Path, report: Report) -> None:
    """Put the report in place of the last one, whole."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(report, indent=2) + "\n")
    temporary.replace(path)


def render(report: Report, finished: FinishedRun, console: Console) -> None:
    """The closing table and lines."""
    console.print()
    console.print(task_table(finished.tasks))
    console.print()
    lake = report["lake"]
    _line(console, "lake", _counted(lake["interactions"], "interactions"))
    _line(console, "", _counted(lake["dead_letters"], "dead letters"))
    features = report["features"]
    _line(console, "features", f"snapshot {features['snapshot_id'] or '-'}")
    for warning in features["warnings"]:
        _line(console, "", warning)
    if features["page"]:
        _line(console, "", f"report {features['page']}")
    intervals = report["evaluation"]["intervals"] or {}
    for name, value in report["metrics"].items():
        interval = f" {_interval(intervals[name])}" if name in intervals else ""
        _line(console, "metrics" if name == "auc" else "", f"{name} {value:.4f}{interval}")
    _gate(report["gate"], report["evaluation"]["headline"], console)
    if report["evaluation"]["page"]:
        _line(console, "", f"report {report['evaluation']['page']}")
    model = report["model"]
    alias = f" is {model['alias']}" if model["alias"] else ""
    _line(console, "model", f"version {model['version'] or '-'}{alias}")
    for name, url in report["urls"].items():
        if url:
            _line(console, name, url)
    _line(console, "run", f"{report['state']} in {report['seconds'] or 0:.0f} s")


def _gate(gate: Mapping[str, Any], headline: str | None, console: Console) -> None:
    verdict = {True: "passed", False: "not passed", None: "-"}[gate["passed"]]
    _line(console, "gate", headline or verdict)
    for reason in gate["reasons"]:
        if not reason["passed"]:
            _line(console, "", _unmet(reason))


def _unmet(reason: Mapping[str, Any]) -> str:
    about = f" ({reason['about']})" if reason.get("about") else ""
    ends = [reason.get("low"), reason.get("high")]
    interval = "" if None in ends else f" {_interval(ends)}"
    value, threshold = _number(reason["value"]), _number(reason["threshold"])
    warning = ", a warning" if reason.get("severity") == "warn" else ""
    return f"{reason['rule']}{about}: {value}{interval}, needed {threshold}{warning}"


def _interval(ends: Sequence[float | None]) -> str:
    return f"[{', '.join(_number(end) for end in ends)}]"


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4f}"


def _counted(count: int | None, what: str) -> str:
    return f"{'-' if count is None else f'{count:,}'} {what}"


def _line(console: Console, name: str, text: str) -> None:
    console.print(f"{name:10}{text}", markup=False, highlight=False, soft_wrap=True)
