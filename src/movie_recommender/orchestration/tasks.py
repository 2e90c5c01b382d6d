"""What the DAG's tasks call: one room each, its result to XCom, its errors to Airflow's terms.

Rooms are imported inside the functions, so that reading the DAG file stays cheap. Parameters
carry the names of Airflow's context, from which PythonOperator fills them.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration import dates
from movie_recommender.orchestration.configuration import task_settings
from movie_recommender.orchestration.failures import airflow_errors
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

Result = dict[str, Any]


def _result(ti: Any, task_id: str) -> Result:
    """The result that `task_id` left in XCom.

    Raises:
        NotReadyError: there is none.
    """
    result = ti.xcom_pull(task_ids=task_id)
    if not isinstance(result, Mapping):
        message = (
            f"Task {task_id} of run {ti.run_id} has left {result!r} in XCom, expected its result. "
            f"Clear {task_id} together with its downstream tasks in Airflow."
        )
        raise NotReadyError(message)
    return dict(result)


def extract_events() -> Result:
    """Kafka -> lake; the rows added and the lake's versions after it."""
    with airflow_errors():
        from movie_recommender import extract

        return asdict(extract.run(task_settings(), now=datetime.now(UTC)))


def compute_features(dag_run: Any, ti: Any) -> Result:
    """Lake -> feature store as of the run's date; the snapshot's id, sizes, warnings and drift."""
    with airflow_errors():
        from movie_recommender import features

        settings = task_settings()
        return asdict(
            features.run(
                settings,
                as_of=dates.as_of(dag_run),
                lake_versions=_result(ti, "extract_events")["lake_versions"],
                reference_id=_snapshot_in_production(settings),
            )
        )


def _snapshot_in_production(settings: Settings) -> str | None:
    """What drift is measured against; a registry that doesn't answer holds no features up."""
    from movie_recommender import registry

    try:
        return registry.snapshot_in_production(settings)
    except NotReadyError as error:
        logger.warning("no drift is measured: %s", error)
        return None


def train_model(dag_run: Any, params: Mapping[str, Any], run_id: str) -> Result:
    """Train on Sundays or when forced; the version to evaluate and why it is that one."""
    with airflow_errors():
        from movie_recommender import training

        return asdict(
            training.run(
                task_settings(),
                as_of=dates.as_of(dag_run),
                run_date=dates.run_date(dag_run),
                force=training_forced(params, dag_run.conf),
                request_id=run_id,
            )
        )


def training_forced(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> bool:
    """Whether the run asks for training; `conf` counts even where Airflow doesn't merge it."""
    return params.get("force_train") is True or (conf or {}).get("force_train") is True


def evaluate_model(dag_run: Any, ti: Any) -> Result:
    """Metrics of the version that `train_model` handed on, and the gate's decision."""
    with airflow_errors():
        from movie_recommender import evaluation

        settings = task_settings()
        version = _result(ti, "train_model")["version"]
        return asdict(evaluation.run(settings, as_of=dates.as_of(dag_run), version=version))


def deploy_model_check(ti: Any) -> Literal["deploy_model", "skip_deploy"]:
    """The task that the gate's decision leads to; each of its reasons goes to the log."""
    with airflow_errors():
        gate = _result(ti, "evaluate_model")["gate"]
    for reason in gate["reasons"]:
        logger.info("gate %s", " ".join(f"{name}={value}" for name, value in reason.items()))
    return "deploy_model" if gate["passed"] is True else "skip_deploy"


def deploy_model(ti: Any) -> Result:
    """Move the alias `production` to the evaluated version; what it was before."""
    with airflow_errors():
        from movie_recommender import registry

        settings = task_settings()
        return asdict(registry.promote(settings, version=_result(ti, "train_model")["version"]))
