"""What MLflow says about the model's versions: aliases, metrics, and the gate's verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from movie_recommender.errors import NotReadyError
from movie_recommender.serving.registry_api import RegistryApi
from movie_recommender.settings import Settings

MAX_VERSIONS = 20
"""Versions that are shown, the newest."""
TIMEOUT_S = 5
"""Whoever looks at a page waits no longer for one answer of MLflow."""

_API = "/api/2.0/mlflow"
_REPORTS = "evaluation"
_ABSENT = (400, 404)


@dataclass(frozen=True)
class Version:
    """One version of the model.

    Attributes:
        number: of the version.
        run_id: of the run that made it.
        created: when.
        aliases: that point to it.
        tags: its own.
        metrics: the run's, each its newest value; `eval_…` are the evaluation's.
    """

    number: int
    run_id: str
    created: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def passed(self) -> bool | None:
        """Whether the gate let it pass; None: it wasn't judged."""
        verdict = self.metrics.get("eval_gate_passed")
        return None if verdict is None else verdict > 0


class VersionsApi(RegistryApi):
    """MLflow's REST API, as far as the model room asks it; it may be used by several threads."""

    def __init__(self, settings: Settings) -> None:
        timeout_s = min(TIMEOUT_S, settings.mlflow_timeout_s)
        super().__init__(settings.model_copy(update={"mlflow_timeout_s": timeout_s}))

    def versions(self) -> list[Version]:
        """The newest versions, the newest first; those in use too, however old.

        Raises:
            NotReadyError: MLflow doesn't answer.
        """
        model = self._get("registered-models/get", name=self.name).get("registered_model", {})
        aliases: dict[int, list[str]] = {}
        for alias in model.get("aliases", []):
            aliases.setdefault(int(alias["version"]), []).append(alias["alias"])
        found = {int(one["version"]): one for one in self._model_versions()}
        shown = sorted(found, reverse=True)
        shown = [n for place, n in enumerate(shown) if place < MAX_VERSIONS or n in aliases]
        metrics = self._metrics([found[number]["run_id"] for number in shown])
        return [
            _version(found[number], aliases.get(number, []), metrics.get(found[number]["run_id"]))
            for number in shown
        ]

    def judgement(self, version: Version) -> dict[str, Any] | None:
        """The newest evaluation of a version, as `evaluate_model` keeps it; None: there is none.

        Raises:
            NotReadyError: MLflow doesn't answer.
        """
        listed = self._get("artifacts/list", run_id=version.run_id, path=_REPORTS)
        paths = [str(file["path"]) for file in listed.get("files", [])]
        newest = max((path for path in paths if path.endswith(".json")), default=None)
        if newest is None:
            return None
        with self._answering():
            answer = self._client.get(
                "/get-artifact", params={"run_uuid": version.run_id, "path": newest}
            )
            return dict(orjson.loads(answer.raise_for_status().content))

    def _model_versions(self) -> list[dict[str, Any]]:
        asked = {"filter": f"name='{self.name}'", "max_results": "1000"}
        return list(self._get("model-versions/search", **asked).get("model_versions", []))

    def _metrics(self, run_ids: list[str]) -> dict[str, dict[str, float]]:
        """By run."""
        experiment = self._get("experiments/get-by-name", experiment_name=self.name)
        if not run_ids or "experiment" not in experiment:
            return {}
        names = ",".join(f"'{run_id}'" for run_id in run_ids)
        body = {
            "experiment_ids": [experiment["experiment"]["experiment_id"]],
            "filter": f"attributes.run_id IN ({names})",
            "max_results": 1000,
        }
        with self._answering():
            answer = self._client.post(f"{_API}/runs/search", json=body).raise_for_status().json()
            return {
                run["info"]["run_id"]: {
                    metric["key"]: float(metric["value"])
                    for metric in run["data"].get("metrics", [])
                }
                for run in answer.get("runs", [])
            }

    def _get(self, path: str, /, **parameters: str) -> dict[str, Any]:
        """An answer; empty where what it asks for isn't there."""
        with self._answering():
            answer = self._client.get(f"{_API}/{path}", params=parameters)
            if answer.status_code in _ABSENT and "RESOURCE_DOES_NOT_EXIST" in answer.text:
                return {}
            return dict(answer.raise_for_status().json())


def _version(
    found: Mapping[str, Any], aliases: list[str], metrics: dict[str, float] | None
) -> Version:
    try:
        return Version(
            number=int(found["version"]),
            run_id=str(found["run_id"]),
            created=datetime.fromtimestamp(int(found["creation_timestamp"]) / 1000, UTC),
            aliases=tuple(sorted(aliases)),
            tags={tag["key"]: tag["value"] for tag in found.get("tags", [])},
            metrics=metrics or {},
        )
    except (KeyError, ValueError) as error:
        message = f"MLflow's answer about a model version can't be read: {error!r}."
        raise NotReadyError(message) from error
