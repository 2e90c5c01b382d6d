"""The facts of a run for its alerts, from Airflow's objects; and the DAG's template macros."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow.sdk.configuration import conf

from movie_recommender.orchestration import alerts, dates
from movie_recommender.orchestration.alerts import ModelFacts, RunFacts


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


def model_facts(ti: Any) -> ModelFacts:
    """What the run did about the model, from its results in XCom; gaps are said, not hidden."""
    built, trained, evaluated, promoted = (
        ti.xcom_pull(task_ids=task_id) or {}
        for task_id in ("compute_features", "train_model", "evaluate_model", "deploy_model")
    )
    gate = evaluated.get("gate") or {}
    return ModelFacts(
        version=str(trained.get("version", "unknown")),
        deployed=bool(promoted),
        gate_passed=gate.get("passed") is True,
        reasons=gate.get("reasons") or [],
        metrics=_numbers(evaluated.get("metrics") or {}),
        warnings=built.get("warnings") or [],
        page=evaluated.get("page"),
    )


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _of(ti: Any, dag_run: dates.DagRun) -> RunFacts:
    return run_facts(ti.dag_id, ti.run_id, dates.run_instant(dag_run))


def failure_text(ti: Any, dag_run: Any) -> str:
    """Slack's failure message for the run that `ti` belongs to."""
    return alerts.failure_text(_of(ti, dag_run), failed_tasks(ti))


def failure_subject(ti: Any, dag_run: Any) -> str:
    """The failure mail's subject for the run that `ti` belongs to."""
    return alerts.failure_subject(_of(ti, dag_run), failed_tasks(ti))


def failure_mail(ti: Any, dag_run: Any) -> str:
    """The failure mail's HTML for the run that `ti` belongs to."""
    return alerts.failure_mail(_of(ti, dag_run), failed_tasks(ti))


def success_text(ti: Any, dag_run: Any) -> str:
    """Slack's success message for the run that `ti` belongs to."""
    return alerts.success_text(_of(ti, dag_run), model_facts(ti))


MACROS: dict[str, Callable[..., Any]] = {
    "event_date": dates.event_date,
    "failure_mail": failure_mail,
    "failure_subject": failure_subject,
    "failure_text": failure_text,
    "success_text": success_text,
}
"""What the DAG's templates may call."""
