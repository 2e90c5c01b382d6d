"""Start one run of the DAG and watch it to its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table

from movie_recommender.errors import NotReadyError
from movie_recommender.local.airflow_api import AirflowApi, Record
from movie_recommender.local.process import wait

DAG_ID = "movie_recommender_pipeline"

TASKS = (
    "generate_synthetic_data",
    "extract_events",
    "compute_features",
    "train_model",
    "evaluate_model",
    "deploy_model_check",
    "deploy_model",
    "skip_deploy",
    "alert_success",
    "alert_failure",
    "alert_failure_email",
)
"""The pipeline's tasks in its own order."""

_DONE = {"success", "failed"}
_TROUBLE = {"failed", "up_for_retry"}
_STYLES = {"success": "green", "running": "yellow", "failed": "red", "up_for_retry": "red"}
_POLL_S = 0.5
_CHECK_S = 5.0
_SCHEDULED_RUN_S = 30.0
"""How long the run that is due may take to appear after the un-pause."""


@dataclass(frozen=True)
class FinishedRun:
    """A run and its task instances in the pipeline's order, as Airflow answers them."""

    run: Record
    tasks: list[Record]


def start_run(
    api: AirflowApi, *, conf: Record, airflow_began: datetime | None, say: Callable[[str], None]
) -> str:
    """Have exactly one run under way and return its id.

    Where a nightly run is due, the un-pause starts it by itself, and only one run may be active:
    that run is used where `conf` asks for nothing else, and waited for where it does. A run that an
    earlier Airflow has left is marked as failed: its tasks are dead, every step can be repeated.

    Args:
        api: Airflow.
        conf: what the run's configuration must hold.
        airflow_began: when this Airflow was started; None when it was running already.
        say: gets a line about what is done with other runs.
    """
    for run in left_over(api.active_runs(DAG_ID), airflow_began):
        say(f"run {run['dag_run_id']} was left by an Airflow that ended: marked as failed")
        api.fail_run(DAG_ID, run["dag_run_id"], "abandoned: the local Airflow ended")
    due = is_due(api.dag(DAG_ID) or {}, now=datetime.now(UTC))
    api.unpause(DAG_ID)
    wait(lambda: bool(api.active_runs(DAG_ID)), timeout_s=_SCHEDULED_RUN_S if due else 0.0)
    active = api.active_runs(DAG_ID)
    if active and not conf:
        say(f"following run {active[0]['dag_run_id']}, which is under way")
        return str(active[0]["dag_run_id"])
    if active:
        say(f"run {active[0]['dag_run_id']} is under way: yours starts after it")
    return api.trigger(DAG_ID, conf)


def left_over(runs: list[Record], airflow_began: datetime | None) -> list[Record]:
    """The runs that were queued before this Airflow was started; none when it ran already."""
    if airflow_began is None:
        return []
    return [run for run in runs if datetime.fromisoformat(run["queued_at"]) < airflow_began]


def is_due(dag: Record, *, now: datetime) -> bool:
    """Whether the DAG's next run starts as soon as the DAG isn't paused."""
    next_run = dag.get("next_dagrun_run_after")
    return next_run is not None and datetime.fromisoformat(next_run) <= now


def follow(
    api: AirflowApi,
    run_id: str,
    *,
    console: Console,
    timeout_s: float,
    retry_delay: timedelta,
    check: Callable[[], None],
) -> FinishedRun:
    """Show the run's tasks as their states change; return when it has ended.

    Args:
        api: Airflow.
        run_id: the run.
        console: where to show it.
        timeout_s: longest wait.
        retry_delay: the DAG's own, which Airflow's API doesn't tell.
        check: asked every few seconds, and raises when a server that the run needs has died.

    Raises:
        NotReadyError: it isn't done after `timeout_s` (names the unfinished tasks), or a server
            has died.
    """
    deadline = time.monotonic() + timeout_s
    next_check = time.monotonic() + _CHECK_S
    seen: dict[str, tuple[str | None, int]] = {}
    with _display(console) as show:
        while True:
            run = api.run(DAG_ID, run_id)
            tasks = in_order(api.tasks(DAG_ID, run_id))
            for task in changed(tasks, seen):
                for line in _news(api, run_id, task, retry_delay, live=console.is_terminal):
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
            show(tasks)
            if run["state"] in _DONE:
                return FinishedRun(run, tasks)
            if time.monotonic() > next_check:
                check()
                next_check = time.monotonic() + _CHECK_S
            if time.monotonic() > deadline:
                raise NotReadyError(_too_long(run_id, tasks, timeout_s))
            time.sleep(_POLL_S)


def _too_long(run_id: str, tasks: list[Record], timeout_s: float) -> str:
    unfinished = [t["task_id"] for t in tasks if t["end_date"] is None and t["state"]]
    return (
        f"Run {run_id} isn't done after {timeout_s / 60:.1f} min (unfinished: "
        f"{', '.join(unfinished) or 'all'}). Their logs are below var/airflow/logs; give it longer "
        "with --timeout MINUTES."
    )


def in_order(tasks: list[Record]) -> list[Record]:
    """The task instances in the pipeline's order; unknown ones last."""
    place = {task_id: number for number, task_id in enumerate(TASKS)}
    return sorted(tasks, key=lambda task: place.get(task["task_id"], len(place)))


def changed(tasks: list[Record], seen: dict[str, tuple[str | None, int]]) -> Iterator[Record]:
    """The tasks whose state or try differs from `seen`, which is brought up to date."""
    for task in tasks:
        now = (task["state"], task["try_number"])
        if task["state"] is not None and seen.get(task["task_id"]) != now:
            seen[task["task_id"]] = now
            yield task


def seconds_of(task: Record) -> float | None:
    """How long the task ran, or has run so far; None before it started."""
    if task["start_date"] is None:
        return None
    end = task["end_date"]
    ended = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (ended - datetime.fromisoformat(task["start_date"])).total_seconds())


def task_table(tasks: list[Record]) -> Table:
    """Task, state, seconds and try."""
    table = Table("task", "state", "seconds", "try", box=None, pad_edge=False)
    for task in tasks:
        state = task["state"] or "-"
        seconds = seconds_of(task)
        table.add_row(
            task["task_id"],
            f"[{_STYLES.get(state, 'dim')}]{state}",
            "" if seconds is None else f"{seconds:.1f}",
            str(task["try_number"] or ""),
        )
    return table


def _news(
    api: AirflowApi, run_id: str, task: Record, retry_delay: timedelta, *, live: bool
) -> Iterator[str]:
    """Lines to print about a task's new state."""
    state = task["state"]
    if not live and state not in {"scheduled", "queued"}:
        seconds = seconds_of(task)
        took = f" after {seconds:.1f} s" if seconds and task["end_date"] else ""
        yield f"{task['task_id']}: {state}{took}"
    if state in _TROUBLE:
        errors = api.errors(DAG_ID, run_id, task["task_id"], task["try_number"])
        yield f"{task['task_id']}: {errors[-1] if errors else 'see its log'}"
    if state == "up_for_retry":
        yield f"{task['task_id']}: Airflow tries again at {_retry_time(task, retry_delay)}"


def _retry_time(task: Record, delay: timedelta) -> str:
    failed = datetime.fromisoformat(task["end_date"]) if task["end_date"] else datetime.now(UTC)
    return f"{failed + delay:%H:%M:%S} UTC"


@contextmanager
def _display(console: Console) -> Iterator[Callable[[list[Record]], None]]:
    """A table that is drawn anew in place, where a person watches; else nothing."""
    if not console.is_terminal:
        yield lambda tasks: None  # noqa: ARG005 - the lines of `_news` say it
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda tasks: live.update(task_table(tasks))
