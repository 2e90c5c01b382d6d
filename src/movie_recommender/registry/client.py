"""The one module that talks to the MLflow server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from requests import RequestException

from movie_recommender.bundle import Manifest, read_manifest
from movie_recommender.bundle.manifest import MANIFEST_TAG, manifest_checksum, require_manifest
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.settings import Settings

PRODUCTION = "production"
PREVIOUS = "previous"
SHADOW = "shadow"
BUNDLE = "bundle"
PARENT_RUN = MLFLOW_PARENT_RUN_ID
"""Tag of a run that belongs beneath another: MLflow shows it there."""
ROLLED_BACK = "rolled_back"
"""Tag of a version that an operator took out of production: it is no candidate any more."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of the registered model."""

    version: int
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


class Registry:
    """Runs and model versions on the MLflow server of `settings`.

    Every method raises `NotReadyError` when the server refuses, or answers none of three requests
    within `MLFLOW_TIMEOUT_S` each.
    """

    def __init__(self, settings: Settings) -> None:
        self.name = settings.model_name
        self.url = settings.mlflow_tracking_uri
        # MLflow takes these from the environment only; its defaults wait for minutes.
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(settings.mlflow_timeout_s)
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "2"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        user, password = settings.mlflow_tracking_username, settings.mlflow_tracking_password
        if user is not None and password is not None:
            os.environ["MLFLOW_TRACKING_USERNAME"] = user
            os.environ["MLFLOW_TRACKING_PASSWORD"] = password.get_secret_value()
        self._client = MlflowClient(tracking_uri=self.url, registry_uri=self.url)

    def start_run(
        self, run_name: str, *, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str:
        """Begin a run in the model's experiment and return its id."""
        with self._answering():
            experiment = self._client.get_experiment_by_name(self.name)
            experiment_id = (
                experiment.experiment_id
                if experiment
                else self._client.create_experiment(self.name)
            )
            run = self._client.create_run(experiment_id, run_name=run_name)
            self._client.log_batch(
                run.info.run_id,
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            return str(run.info.run_id)

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], *, step: int, time_ms: int
    ) -> None:
        """Log the metrics of one step (an epoch, or a day's evaluation) in one call."""
        with self._answering():
            self._client.log_batch(
                run_id,
                metrics=[Metric(key, value, time_ms, step) for key, value in metrics.items()],
            )

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Keep `text` as the run's artifact `name`."""
        with self._answering():
            self._client.log_text(run_id, text, name)

    def metric_history(self, run_id: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one metric in the order of the steps, the last value of each."""
        with self._answering():
            found = self._client.get_metric_history(run_id, name)
        return sorted({metric.step: float(metric.value) for metric in found}.items())

    def find_run(self, tag: str, value: str) -> str | None:
        """The newest run of the model's experiment whose `tag` has this value, or None."""
        with self._answering():
            experiment = self._client.get_experiment_by_name(self.name)
            if experiment is None:
                return None
            found = self._client.search_runs(
                [experiment.experiment_id],
                f"tags.{tag} = '{value}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
            return str(found[0].info.run_id) if found else None

    def artifact_url(self, run_id: str, name: str) -> str:
        """The page of the server's UI that shows the run's artifact `name`."""
        with self._answering():
            experiment = self._client.get_run(run_id).info.experiment_id
        return f"{self.url}/#/experiments/{experiment}/runs/{run_id}/artifacts/{name}"

    def end_run(self, run_id: str, *, failed: bool = False) -> None:
        """Mark the run as finished or failed."""
        with self._answering():
            self._client.set_terminated(run_id, "FAILED" if failed else "FINISHED")

    def register(self, run_id: str, bundle: Path, *, tags: Mapping[str, str]) -> int:
        """Upload `bundle` and create a model version from it, as the last act.

        A kill before that leaves a run with files but no version: nobody will use it.
        """
        read_manifest(bundle)
        with self._answering():
            self._client.log_artifacts(run_id, str(bundle), BUNDLE)
            self._create_model()
            created = self._client.create_model_version(
                self.name,
                f"runs:/{run_id}/{BUNDLE}",
                run_id,
                tags={**tags, MANIFEST_TAG: manifest_checksum(bundle)},
            )
            return int(created.version)

    def versions(self) -> list[ModelVersion]:
        """Every version of the model, newest first."""
        with self._answering():
            found: list[Any] = []
            token = None
            while True:
                page = self._client.search_model_versions(
                    f"name = '{self.name}'", max_results=1000, page_token=token
                )
                found.extend(page)
                token = page.token
                if not token:
                    break
            by_version = self._aliases()
        versions = [
            ModelVersion(
                int(item.version),
                item.run_id,
                dict(item.tags),
                by_version.get(int(item.version), ()),
            )
            for item in found
        ]
        return sorted(versions, key=lambda version: version.version, reverse=True)

    def get(self, version: int) -> ModelVersion:
        """One version.

        Raises:
            RegistryError: the model has no such version.
        """
        for found in self.versions():
            if found.version == version:
                return found
        message = (
            f"Model {self.name!r} at {self.url} has no version {version}. "
            "List them with: movie-recommender models"
        )
        raise RegistryError(message)

    def by_alias(self, alias: str) -> ModelVersion | None:
        """The version that `alias` points to, or None."""
        return next((found for found in self.versions() if alias in found.aliases), None)

    def newest_candidate(self) -> ModelVersion | None:
        """The newest version that no operator took back, or None; it may be in production."""
        return next((v for v in self.versions() if ROLLED_BACK not in v.tags), None)

    def candidate(self) -> ModelVersion:
        """The newest candidate.

        Raises:
            RegistryError: there is none yet.
        """
        found = self.newest_candidate()
        if found is None:
            message = (
                f"Model {self.name!r} at {self.url} has no version yet. "
                "Train one: movie-recommender train"
            )
            raise RegistryError(message)
        return found

    def find(self, tag: str, value: str) -> ModelVersion | None:
        """The newest version whose `tag` has this value, or None."""
        return next((v for v in self.versions() if v.tags.get(tag) == value), None)

    def set_alias(self, alias: str, version: int) -> None:
        """Point `alias` to `version`."""
        with self._answering():
            self._client.set_registered_model_alias(self.name, alias, str(version))

    def delete_alias(self, alias: str) -> None:
        """Have `alias` point to nothing."""
        with self._answering():
            self._client.delete_registered_model_alias(self.name, alias)

    def set_tag(self, version: int, tag: str, value: str) -> None:
        """Tag `version`."""
        with self._answering():
            self._client.set_model_version_tag(self.name, str(version), tag, value)

    def delete_tag(self, version: int, tag: str) -> None:
        """Take `tag` off `version`."""
        with self._answering():
            self._client.delete_model_version_tag(self.name, str(version), tag)

    def download(self, version: int, directory: Path) -> tuple[Path, Manifest]:
        """Fetch a version's bundle below `directory`; returned only if every checksum holds.

        Raises:
            RegistryError: the bundle is damaged, or the version is none of this package's.
        """
        with self._answering():
            found = self._client.get_model_version(self.name, str(version))
            self._require_own(version, found.run_id, found.source)
            local = download_artifacts(
                run_id=found.run_id,
                artifact_path=BUNDLE,
                dst_path=str(directory),
                tracking_uri=self.url,
            )
        bundle = Path(local)
        require_manifest(bundle, found.tags.get(MANIFEST_TAG))
        return bundle, read_manifest(bundle)

    def _require_own(self, version: int, run_id: str | None, source: str | None) -> None:
        """Not what somebody else has registered: a path here, another server's address."""
        if source != f"runs:/{run_id}/{BUNDLE}":
            message = (
                f"Version {version} of model {self.name!r} at {self.url} has the source "
                f"{source!r:.200}, expected 'runs:/{run_id}/{BUNDLE}': this package didn't "
                "register it. Choose another one: movie-recommender models"
            )
            raise RegistryError(message)

    def _create_model(self) -> None:
        try:
            self._client.create_registered_model(self.name)
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _aliases(self) -> dict[int, tuple[str, ...]]:
        """Aliases by version: the search's answers don't carry them."""
        try:
            model = self._client.get_registered_model(self.name)
        except RestException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        aliases: dict[int, list[str]] = {}
        for alias, version in model.aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        return {version: tuple(sorted(names)) for version, names in aliases.items()}

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (MlflowException, RequestException) as error:  # artifacts raise the latter
            remedy = "Start it or correct the variable"
            if _is_about_the_user(error):
                remedy = (
                    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user who may "
                    "do this (docs/security.md)"
                )
            message = (
                f"The MLflow server at MLFLOW_TRACKING_URI={self.url} refuses or doesn't answer: "
                f"{str(error)[:300]}. {remedy}, then run again."
            )
            raise NotReadyError(message) from error


def _is_about_the_user(error: MlflowException | RequestException) -> bool:
    if isinstance(error, RequestException):
        return error.response is not None and error.response.status_code in (401, 403)
    return error.error_code in ("UNAUTHENTICATED", "PERMISSION_DENIED")
