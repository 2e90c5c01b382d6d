"""The calls to Airflow's REST API that a run is started and followed by."""

import time
from typing import Any

import httpx

from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring.dag import COMPONENTS

Record = dict[str, Any]
"""A JSON object as Airflow answers it."""

_ATTEMPTS = 5


class AirflowApi:
    """Airflow at `url`, on loopback, where everybody is an administrator.

    Methods but `health` raise `NotReadyError` when Airflow doesn't answer or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=15.0)

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def health(self) -> dict[str, bool]:
        """Whether each component is healthy; all False when nobody answers."""
        try:
            answer = self._client.get("/api/v2/monitor/health", timeout=3.0).json()
        except (httpx.HTTPError, ValueError):
            answer = {}
        return {name: (answer.get(name) or {}).get("status") == "healthy" for name in COMPONENTS}

    def import_errors(self) -> list[str]:
        """Why DAG files can't be read."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace']}" for error in found]

    def dag(self, dag_id: str) -> Record | None:
        """The DAG; None while Airflow doesn't know it."""
        answer = self._request("GET", f"/api/v2/dags/{dag_id}")
        return dict(answer.json()) if answer.is_success else None

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs start."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Record) -> str:
        """Start a run by hand; its run id."""
        body = {"logical_date": None, "conf": conf}
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def active_runs(self, dag_id: str) -> list[Record]:
        """Queued and running runs, oldest first."""
        params = {"state": ["queued", "running"], "order_by": "run_after"}
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params)
        return list(found["dag_runs"])

    def run(self, dag_id: str, run_id: str) -> Record:
        """One run."""
        return self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def fail_run(self, dag_id: str, run_id: str, note: str) -> None:
        """Mark a run as failed."""
        body = {"state": "failed", "note": note}
        self._call("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", json=body)

    def tasks(self, dag_id: str, run_id: str) -> list[Record]:
        """The run's task instances."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        return list(found["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What the task returned; None where it returned nothing or didn't run."""
        answer = self._request(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
            "/xcomEntries/return_value",
            params={"stringify": False},
        )
        return answer.json()["value"] if answer.is_success else None

    def errors(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> list[str]:
        """The error messages in the log of a task's try, oldest first."""
        answer = self._request(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}",
            params={"full_content": True},
            headers={"Accept": "application/json"},
        )
        if not answer.is_success:
            return []
        entries = [e for e in answer.json().get("content", []) if isinstance(e, dict)]
        return [message for entry in entries for message in _error_messages(entry)]

    def _call(self, method: str, path: str, **options: Any) -> Record:
        answer = self._request(method, path, **options)
        if not answer.is_success:
            message = (
                f"Airflow at {self.url} refuses {method} {path}: {answer.status_code} "
                f"{answer.text[:500]}"
            )
            raise NotReadyError(message)
        return dict(answer.json())

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; a new token when the old one has run out, and patience with restarts."""
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._client.request(method, path, **options)
                if answer.status_code != httpx.codes.UNAUTHORIZED:
                    return answer
                token = self._client.get("/auth/token").json()["access_token"]
                self._client.headers["Authorization"] = f"Bearer {token}"
            except (httpx.TransportError, KeyError, ValueError) as error:
                if attempt == _ATTEMPTS - 1:
                    message = (
                        f"Airflow at {self.url} doesn't answer {method} {path}: {error!r}. "
                        "See var/airflow/airflow.log, then run again."
                    )
                    raise NotReadyError(message) from error
                time.sleep(1.0 + attempt)
        return answer


def _error_messages(entry: Record) -> list[str]:
    """What one structured log entry says of an error: the exception, else its text.

    An exception comes with its causes behind it; the outermost has the message for the operator.
    """
    details = entry.get("error_detail")
    if details:
        return [f"{details[0]['exc_type']}: {details[0]['exc_value']}"]
    if entry.get("level") in {"error", "critical"}:
        return [str(entry.get("event", ""))]
    return []
