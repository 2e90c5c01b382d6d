"""`make run`: the stack, one run of the DAG, its report."""

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import filelock
from rich.console import Console

from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.local import follow, report
from movie_recommender.local.airflow_api import AirflowApi
from movie_recommender.local.process import wait
from movie_recommender.local.sink import read_messages
from movie_recommender.local.stack import Stack
from movie_recommender.local.world import world_of
from movie_recommender.settings import Settings
from movie_recommender.simulation import movielens

REPORT = "run_report.json"


@dataclass(frozen=True)
class Options:
    """What the caller of `make run` may ask for."""

    var: Path
    dags: Path
    force_train: bool = False
    once: bool = False
    timeout_s: float = 3600.0


def run(
    settings: Settings, options: Options, *, given: Mapping[str, str], console: Console
) -> bool:
    """Bring the stack up, run the DAG once and report; whether the run succeeded.

    What this call started is ended again when it fails or is interrupted, and at its end with
    `options.once`; else the stack goes on for the user to look at.

    Raises:
        InputDataError: the MovieLens folder can't be used; nothing was started.
        ConfigurationError: another `make run` is at work in `options.var`.
        NotReadyError: a server can't be started, or the run takes longer than the limit.
    """
    if settings.data_source == "movielens":
        _check_movielens(settings)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    options.var.mkdir(parents=True, exist_ok=True)
    stack = Stack(options.var, options.dags, given)
    with alone(options.var), _terminable():
        try:
            succeeded = _one_run(stack, settings, options, given, console, say)
        except BaseException:  # an interrupt, a full disk, ...: nothing of ours stays behind
            stack.down(stack.started)
            raise
        if options.once:
            stack.down()
        return succeeded


def _one_run(
    stack: Stack,
    settings: Settings,
    options: Options,
    given: Mapping[str, str],
    console: Console,
    say: Callable[[str], None],
) -> bool:
    began = datetime.now(UTC)
    environment = world_of(settings).environment(options.var, settings, given)
    endpoints = stack.up(settings, environment, say=say)
    api = AirflowApi(endpoints.airflow)
    _wait_for_dag(api)
    run_id = follow.start_run(
        api,
        conf={"force_train": True} if options.force_train else {},
        airflow_began=began if "airflow" in stack.started else None,
        say=say,
    )
    say(f"run {run_id}: {endpoints.airflow}/dags/{follow.DAG_ID}/runs/{run_id}")
    finished = follow.follow(
        api,
        run_id,
        console=console,
        timeout_s=options.timeout_s,
        retry_delay=timedelta(seconds=settings.retry_delay_s),
        check=stack.check,
    )
    results = {task: api.xcom(follow.DAG_ID, run_id, task) for task in follow.TASKS}
    content = report.build(
        finished,
        results=results,
        notifications=_sent_since(stack.messages, began),
        model_name=environment["MODEL_NAME"],
        urls={name: getattr(endpoints, name) for name in ("airflow", "mlflow", "serving")},
    )
    path = options.var / REPORT
    report.write(path, content)
    report.render(content, finished, console)
    say(f"{'alerts':10}{endpoints.sink}")
    say(f"{'report':10}{path}")
    return bool(content["state"] == "success")


def _check_movielens(settings: Settings) -> None:
    if settings.movielens_path is None:
        message = (
            "DATA_SOURCE=movielens needs MOVIELENS_PATH, the folder with ratings.csv and "
            "movies.csv (or ratings.dat, movies.dat). Set it, or use --movielens DIR."
        )
        raise ConfigurationError(message)
    movielens.load(settings.movielens_path)


def _wait_for_dag(api: AirflowApi, *, timeout_s: float = 60.0) -> None:
    def readable() -> bool:
        dag = api.dag(follow.DAG_ID)
        return dag is not None and not dag["has_import_errors"] and not dag["is_stale"]

    if wait(readable, timeout_s=timeout_s):
        return
    errors = "\n".join(api.import_errors()) or "no import error either: is the folder right?"
    message = f"Airflow can't read the DAG {follow.DAG_ID} after {timeout_s:.0f} s: {errors}"
    raise NotReadyError(message)


def _sent_since(messages: Path, began: datetime) -> list[dict[str, Any]]:
    sent = read_messages(messages)
    return [message for message in sent if datetime.fromisoformat(message["time"]) >= began]


def alone(var: Path) -> AbstractContextManager[object]:
    """Hold `var` for this process; the kernel lets go of it when the process dies.

    Raises:
        ConfigurationError: another process holds it.
    """
    lock = filelock.FileLock(var / "run.lock", timeout=0)
    try:
        return lock.acquire()
    except filelock.Timeout:
        message = f"Another `make run` is at work in {var}. Wait for it, or end it, then run again."
        raise ConfigurationError(message) from None


class _terminable:
    """SIGTERM ends the block as Ctrl-C does."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, _interrupt)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's form
    raise KeyboardInterrupt
