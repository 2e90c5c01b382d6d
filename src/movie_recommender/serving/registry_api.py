"""The little that serving asks of MLflow: which version is in production, and its files."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from movie_recommender.bundle import read_manifest
from movie_recommender.bundle.manifest import (
    MANIFEST,
    MANIFEST_TAG,
    named_files,
    require_manifest,
)
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.settings import Settings

PRODUCTION = "production"
SHADOW = "shadow"
"""Alias of a version that ranks beside production and isn't shown."""
PREVIOUS = "previous"

_SOURCE = re.compile(r"runs:/([A-Za-z0-9]{1,64})/([A-Za-z0-9_-]{1,64})")
_ALIAS = "/api/2.0/mlflow/registered-models/alias"
_FILE = "/get-artifact"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Production:
    """A version of the model, the run that made it, and where its bundle is in the run.

    `manifest` is the checksum of the bundle's manifest as the registry has it; None: it has none.
    """

    version: int
    run_id: str
    path: str
    manifest: str | None

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
        """The version that the alias `production` points to, or None; see `named`."""
        return self.named(PRODUCTION)

    def named(self, alias: str) -> Production | None:
        """The version that an alias points to, or None.

        Raises:
            RegistryError: its files are not those of its run, so this package didn't register it.
        """
        with self._answering():
            answer = self._client.get(_ALIAS, params={"name": self.name, "alias": alias})
            if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):
                code = answer.json().get("error_code")
                if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
            return _production(answer.raise_for_status().json()["model_version"])

    def download(self, production: Production, directory: Path) -> None:
        """Fetch a version's bundle into the new folder `directory` and check every byte.

        Nothing but files that lie directly in the bundle is asked for, whatever the manifest says.

        Raises:
            RegistryError: the bundle is damaged, or its format is another.
        """
        directory.mkdir(parents=True)
        self._fetch(production, MANIFEST, directory)
        require_manifest(directory, production.manifest)
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
            raise NotReadyError(self._explained(error)) from error

    def _explained(self, error: Exception) -> str:
        server = f"The MLflow server at MLFLOW_TRACKING_URI={self.url}"
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return (
                f"{server} refuses this user (HTTP {status}). Set MLFLOW_TRACKING_USERNAME and "
                f"MLFLOW_TRACKING_PASSWORD to one that may read model {self.name!r}."
            )
        return (
            f"{server} refuses or doesn't answer: {error!r:.300}. Start it or correct the variable."
        )


def _production(found: Mapping[str, Any]) -> Production:
    version, run_id, source = int(found["version"]), str(found["run_id"]), str(found["source"])
    parts = _SOURCE.fullmatch(source)
    if parts is None or parts[1] != run_id:
        message = (
            f"version {version}: its source is {source!r:.200}, expected 'runs:/{run_id:.64}/…': "
            "this package didn't register it. Go back with: movie-recommender rollback"
        )
        raise RegistryError(message)
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    return Production(version, run_id, parts[2], tags.get(MANIFEST_TAG))
