"""The little that serving asks of MLflow: which version is in production, and its files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from movie_recommender.bundle import read_manifest
from movie_recommender.bundle.manifest import MANIFEST, named_files
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.settings import Settings

PRODUCTION = "production"
SHADOW = "shadow"
"""Alias of a version that ranks beside production and isn't shown."""
PREVIOUS = "previous"

_ALIAS = "/api/2.0/mlflow/registered-models/alias"
_FILE = "/get-artifact"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Production:
    """A version of the model, the run that made it, and where its bundle is in the run."""

    version: int
    run_id: str
    path: str

    @property
    def folder(self) -> str:
        """A name that no version of another server's has."""
        return f"{self.version}-{self.run_id}"


class RegistryApi:
    """MLflow's REST API, at MLFLOW_TRACKING_URI.

    Every method raises `NotReadyError` when the server refuses or doesn't answer in time.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = settings.mlflow_tracking_uri
        self.name = settings.model_name
        user, password = settings.mlflow_tracking_username, settings.mlflow_tracking_password
        auth = None if user is None or password is None else (user, password.get_secret_value())
        self._client = httpx.Client(
            base_url=self.url, timeout=settings.mlflow_timeout_s, auth=auth, follow_redirects=False
        )

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def production(self) -> Production | None:
        """The version that the alias `production` points to, or None."""
        return self.named(PRODUCTION)

    def named(self, alias: str) -> Production | None:
        """The version that an alias points to, or None."""
        with self._answering():
            answer = self._client.get(_ALIAS, params={"name": self.name, "alias": alias})
            if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):
                code = answer.json().get("error_code")
                if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
            found = answer.raise_for_status().json()["model_version"]
            run_id = str(found["run_id"])
            path = str(found["source"]).removeprefix(f"runs:/{run_id}/")
            return Production(int(found["version"]), run_id, path)

    def download(self, production: Production, directory: Path) -> None:
        """Fetch a version's bundle into the new folder `directory` and check every byte.

        Nothing but files that lie directly in the bundle is asked for, whatever the manifest says.

        Raises:
            RegistryError: the bundle is damaged, or its format is another.
        """
        directory.mkdir(parents=True)
        self._fetch(production, MANIFEST, directory)
        for name in named_files(directory):
            self._fetch(production, name, directory)
        read_manifest(directory)

    def look(self, production: Production, directory: Path) -> list[str]:
        """Names of a version's files, by its manifest, which alone is fetched into `directory`.

        Raises:
            RegistryError: it has no manifest, or its format is another.
        """
        self._fetch(production, MANIFEST, directory)
        return named_files(directory)

    def _fetch(self, production: Production, name: str, directory: Path) -> None:
        # What MLflow's own pages ask: its server reads the file, wherever artifacts are kept.
        params = {"run_uuid": production.run_id, "path": f"{production.path}/{name}"}
        with self._answering(), self._client.stream("GET", _FILE, params=params) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND:
                message = (
                    f"Version {production.version} of model {self.name!r} at {self.url} has no "
                    f"file {name!r}: it isn't a whole bundle. Train again: movie-recommender train"
                )
                raise RegistryError(message)
            answer.raise_for_status()
            with (directory / name).open("wb") as file:
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    file.write(chunk)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, ValueError, KeyError) as error:
            message = (
                f"The MLflow server at MLFLOW_TRACKING_URI={self.url} refuses or doesn't answer: "
                f"{error!r:.300}. Start it or correct the variable."
            )
            raise NotReadyError(message) from error
