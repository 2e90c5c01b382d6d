"""Airflow: is it well, is the DAG on, how did its runs end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration import DAG_ID
from movie_recommender.settings import Settings

TIMEOUT_S = 5.0
"""Whoever looks waits no longer for one answer."""

COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_ENDED = ("success", "failed")
_DAG = f"/api/v2/dags/{DAG_ID}"


@dataclass(frozen=True)
class TaskFacts:
    """A task of a run; `seconds` is None before it began, and of its last try."""

    task_id: str
    state: str | None
    seconds: float | None


@dataclass(frozen=True)
class RunFacts:
    """A run of the DAG; `ended` is None while it runs."""

    run_id: str
    state: str
    queued: datetime
    ended: datetime | None
    seconds: float | None
    tasks: Sequence[TaskFacts]

    @property
    def failed_tasks(self) -> list[str]:
        """Ids of its tasks that failed."""
        return [task.task_id for task in self.tasks if task.state == "failed"]


@dataclass(frozen=True)
class AirflowFacts:
    """Airflow and the DAG.

    Attributes:
        healthy: by component.
        paused: no run starts by itself.
        next_run: when the next is due; None while it is paused.
        running: the oldest run that hasn't ended.
        last: the newest run that has.
    """

    healthy: Mapping[str, bool]
    paused: bool
    next_run: datetime | None
    running: RunFacts | None
    last: RunFacts | None


def read(settings: Settings) -> AirflowFacts | None:
    """Ask AIRFLOW_API_URL; None where it is empty.

    Raises:
        NotReadyError: it doesn't answer, doesn't know the user, or doesn't know the DAG.
    """
    if not settings.airflow_api_url:
        return None
    with _answering(settings), _client(settings) as client:
        health = client.get("/api/v2/monitor/health").raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {_token(client, settings)}"
        dag = client.get(_DAG).raise_for_status().json()
        next_run = dag["next_dagrun_run_after"]
        return AirflowFacts(
            healthy={name: health[name]["status"] == "healthy" for name in COMPONENTS},
            paused=dag["is_paused"],
            next_run=None if next_run is None or dag["is_paused"] else _instant(next_run),
            running=_first(client, states=("queued", "running"), order="run_after"),
            last=_first(client, states=_ENDED, order="-end_date"),
        )


def _client(settings: Settings) -> httpx.Client:
    return httpx.Client(base_url=settings.airflow_api_url, timeout=TIMEOUT_S)


def _token(client: httpx.Client, settings: Settings) -> str:
    user, password = settings.airflow_api_username, settings.airflow_api_password
    if user is None or password is None:
        answer = client.get("/auth/token")
    else:
        body = {"username": user, "password": password.get_secret_value()}
        answer = client.post("/auth/token", json=body)
    return str(answer.raise_for_status().json()["access_token"])


def _first(client: httpx.Client, *, states: Sequence[str], order: str) -> RunFacts | None:
    params: dict[str, str | int | list[str]]
    params = {"state": list(states), "order_by": order, "limit": 1}
    found = client.get(f"{_DAG}/dagRuns", params=params).raise_for_status().json()["dag_runs"]
    if not found:
        return None
    run = found[0]
    path = f"{_DAG}/dagRuns/{run['dag_run_id']}/taskInstances"
    tasks = client.get(path).raise_for_status().json()["task_instances"]
    return RunFacts(
        run_id=str(run["dag_run_id"]),
        state=str(run["state"]),
        queued=_instant(run["queued_at"] or run["run_after"]),
        ended=None if run["end_date"] is None else _instant(run["end_date"]),
        seconds=run["duration"],
        tasks=[_task(task) for task in tasks],
    )


def _task(task: Mapping[str, Any]) -> TaskFacts:
    return TaskFacts(str(task["task_id"]), task["state"], task["duration"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        message = (
            f"Airflow at AIRFLOW_API_URL={settings.airflow_api_url} answers {code} to "
            f"{error.request.method} {error.request.url.path}, expected 200. 401 or 403: correct "
            "AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD, a user who may read the DAG's runs; "
            f"404: the DAG {DAG_ID} isn't there."
        )
        raise NotReadyError(message) from error
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        message = (
            f"Airflow doesn't answer at AIRFLOW_API_URL={settings.airflow_api_url}: "
            f"{error!r:.200}. Start its API server or correct the variable."
        )
        raise NotReadyError(message) from error
