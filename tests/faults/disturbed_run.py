"""One run of the real DAG by a real Airflow that fails at three moments, and what was seen then."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movie_recommender.lake import Lake
from movie_recommender.local.airflow_api import Record
from movie_recommender.local.follow import DAG_ID, start_run
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings
from tests.airflow_processes import AirflowProcesses

FIRST = "generate_synthetic_data"


@dataclass(frozen=True)
class DisturbedRun:
    """A run that has ended, and what was seen meanwhile.

    Attributes:
        run: as Airflow tells it.
        tasks: the same by task id.
        results: what each task returned.
        unread: what the first task said when it couldn't read a Connection.
        rows_at_kill: interactions in the lake when their extraction was killed.
        beside: the state of a run that was triggered meanwhile.
        promoting: the state of `deploy_model` when it was killed, production having moved.
    """

    run: Record
    tasks: Mapping[str, Record]
    results: Mapping[str, Any]
    unread: list[str]
    rows_at_kill: int
    beside: str
    promoting: str


def disturb(airflow: AirflowProcesses, settings: Settings) -> DisturbedRun:
    """Tell the whole story."""
    with airflow.tasks_api.failing("refused", 1, only="/connections/kafka_default"):
        run_id = start_run(airflow.api, conf={}, airflow_began=None, say=lambda _: None)
        _until(lambda: _state(airflow, run_id, FIRST) == "up_for_retry", airflow)
    unread = airflow.api.errors(DAG_ID, run_id, FIRST, 1)
    another = airflow.api.trigger(DAG_ID, {})
    rows_at_kill = _die_in_an_extraction(airflow, settings, run_id)
    _until(lambda: _state(airflow, run_id, "compute_features") == "running", airflow)
    beside = airflow.api.run(DAG_ID, another)["state"]
    airflow.api.fail_run(DAG_ID, another, "seen enough")
    promoting = _die_in_a_promotion(airflow, settings, run_id)
    run, tasks = _ended(airflow, run_id), airflow.tasks(run_id)
    results = {task_id: airflow.api.xcom(DAG_ID, run_id, task_id) for task_id in tasks}
    return DisturbedRun(run, tasks, results, unread, rows_at_kill, beside, promoting)


def _die_in_an_extraction(airflow: AirflowProcesses, settings: Settings, run_id: str) -> int:
    """The machine of scheduler, supervisor and task dies after the first table; rows of the last.

    The scheduler is started again.
    """
    pid = _pid(airflow, run_id, "extract_events")
    first_commit = Path(settings.data_lake_path) / "users" / "_delta_log" / f"{0:020}.json"
    _until(first_commit.exists, airflow)
    os.kill(pid, signal.SIGSTOP)  # a kill takes a moment, in which it would go on
    airflow.kill("scheduler")
    rows = Lake(settings.data_lake_path).count("interactions")
    airflow.start("scheduler")
    return rows


def _die_in_a_promotion(airflow: AirflowProcesses, settings: Settings, run_id: str) -> str:
    """The task dies when the alias has moved and serving hasn't confirmed; its state then."""
    pid = _pid(airflow, run_id, "deploy_model")
    registry = Registry(settings)
    _until(lambda: registry.by_alias("production"), airflow)
    state = _state(airflow, run_id, "deploy_model")
    os.kill(pid, signal.SIGKILL)
    return str(state)


def _ended(airflow: AirflowProcesses, run_id: str) -> Record:
    def run() -> Record | None:
        found = airflow.api.run(DAG_ID, run_id)
        return found if found["state"] in {"success", "failed"} else None

    return dict(_until(run, airflow))


def _state(airflow: AirflowProcesses, run_id: str, task_id: str) -> str | None:
    state: str | None = airflow.tasks(run_id).get(task_id, {}).get("state")
    return state


def _pid(airflow: AirflowProcesses, run_id: str, task_id: str) -> int:
    """The task's own process, as soon as there is one."""
    return int(_until(lambda: airflow.tasks(run_id).get(task_id, {}).get("pid"), airflow))


def _until(
    condition: Callable[[], Any], airflow: AirflowProcesses, *, timeout_s: float = 240
) -> Any:
    """What the condition came to, as soon as it holds."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, airflow.logs()
        time.sleep(0.02)
    return found
