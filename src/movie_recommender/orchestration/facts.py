"""The facts of a run for its alerts, from Airflow's objects; and the DAG's template macros."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from airflow.sdk.configuration import conf

from movie_recommender.orchestration import alerts, dates
from movie_recommender.orchestration.alerts import Alert, ModelFacts, RunFacts
from movie_recommender.settings import AlertContacts, alert_contacts


def run_facts(dag_id: str, run_id: str, execution_date: datetime) -> RunFacts:
    """Which run an alert is about, with the address of this Airflow's pages."""
    return RunFacts(
        dag_id=dag_id,
        run_id=run_id,
        execution_date=execution_date.isoformat(),
        base_url=conf.get("api", "base_url", fallback=None) or "http://localhost:8080",
    )


def failed_tasks(ti: Any) -> list[str]:
    """Ids of the run's tasks that have failed, in the order of their ids."""
    crumbs = ti.get_task_breadcrumbs(ti.dag_id, ti.run_id)
    return sorted({crumb["task_id"] for crumb in crumbs if crumb["state"] == "failed"})


def model_facts(ti: Any, contacts: AlertContacts) -> ModelFacts:
    """What the run did about the model, from its results in XCom; gaps are said, not hidden."""
    built, trained, evaluated, promoted = (
        ti.xcom_pull(task_ids=task_id) or {}
        for task_id in ("compute_features", "train_model", "evaluate_model", "deploy_model")
    )
    gate = evaluated.get("gate") or {}
    version = str(trained.get("version", "unknown"))
    return ModelFacts(
        version=version,
        deployed=bool(promoted),
        gate_passed=gate.get("passed") is True,
        reasons=gate.get("reasons") or [],
        metrics=_numbers(evaluated.get("metrics") or {}),
        production=evaluated.get("production"),
        lead=(evaluated.get("differences") or {}).get("production"),
        warnings=built.get("warnings") or [],
        links=_links(version, evaluated.get("page"), contacts),
    )


def _links(version: str, page: str | None, contacts: AlertContacts) -> dict[str, str]:
    """Where to look on: addresses that a browser can open and that hold no password."""
    model = quote(contacts.model_name)
    found = {
        "evaluation report": page,
        "model version": f"{contacts.mlflow_tracking_uri}/#/models/{model}/versions/{version}",
        "model room": contacts.serving_url and f"{contacts.serving_url.rstrip('/')}/models",
    }
    return {name: url for name, url in found.items() if url and _can_be_shown(url)}


def _can_be_shown(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and "@" not in parts.netloc


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _of(ti: Any, dag_run: dates.DagRun) -> RunFacts:
    return run_facts(ti.dag_id, ti.run_id, dates.run_instant(dag_run))


def alert(about: Literal["success", "failure"], ti: Any, dag_run: Any) -> Alert:
    """The alert about the run that `ti` belongs to."""
    if about == "failure":
        return alerts.failure_alert(_of(ti, dag_run), failed_tasks(ti))
    return alerts.success_alert(_of(ti, dag_run), model_facts(ti, alert_contacts()))


MACROS: dict[str, Callable[..., Any]] = {"alert": alert, "event_date": dates.event_date}
"""What the DAG's templates may call."""
