"""A real server process, and what a client asks it."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from movie_recommender.local import ports, process
from movie_recommender.serving.cache import CacheFolder, ModelState
from movie_recommender.settings import Settings, load_settings

_PASSED_ON = (
    "kafka_bootstrap_servers",
    "kafka_topic_prefix",
    "feature_store_path",
    "mlflow_tracking_uri",
    "model_name",
)


class ServingProcess:
    """`movie-recommender serve` for these settings, on a free port.

    Args:
        settings: of the test.
        directory: for its cache and log.
        environment: further variables.
    """

    def __init__(self, settings: Settings, directory: Path, **environment: object) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = ports.choose(0)
        self.url = f"http://{ports.LOOPBACK}:{self.port}"
        self.log = directory / "serving.log"
        self.folder = CacheFolder(directory / "cache" / settings.model_name)
        self._pidfile = directory / "pid"
        own = {
            "serving_port": self.port,
            "serving_cache_dir": directory / "cache",
            "serving_reload_s": 0.3,
            **environment,
        }
        values = {name: getattr(settings, name) for name in _PASSED_ON} | own
        self._environment = {name.upper(): str(value) for name, value in values.items()}
        self.client = httpx.Client(base_url=self.url, timeout=10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self.stop()

    def start(self) -> None:
        command = [sys.executable, "-m", "movie_recommender.cli", "serve"]
        child = process.start(
            command,
            pidfile=self._pidfile,
            log=self.log,
            env={**os.environ, **self._environment},
            cwd=self.log.parent,
        )

        def answers() -> bool:
            try:
                return httpx.get(f"{self.url}/health").is_success
            except httpx.HTTPError:
                return False

        process.wait_until(answers, child, name="serving", log=self.log, timeout_s=60)

    def stop(self) -> None:
        process.end(self._pidfile)

    def ready(self) -> dict[str, Any]:
        return dict(self.client.get("/ready").json())

    def wait(self, holds: Callable[[dict[str, Any]], bool], *, timeout_s: float = 30) -> dict:
        """What `/ready` shows once that holds."""
        deadline = time.monotonic() + timeout_s
        while not holds(found := self.ready()):
            assert time.monotonic() < deadline, (found, process.last_lines(self.log, 40))
            time.sleep(0.05)
        return found

    def recommend(self, user_id: int, **params: object) -> dict[str, Any]:
        answer = self.client.get(f"/recommendations/{user_id}", params=params)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def settings_of_nothing(directory: Path) -> Settings:
    """Neither a broker nor an MLflow nor a store: a server does without."""
    return load_settings(
        kafka_bootstrap_servers="127.0.0.1:9",
        mlflow_tracking_uri="http://127.0.0.1:9",
        feature_store_path=directory / "none.duckdb",
    )


def begin_with(bundle: Path, settings: Settings, directory: Path) -> None:
    """Have a server that is started in `directory` serve a bundle as version 1, without MLflow."""
    folder = CacheFolder(directory / "cache" / settings.model_name)
    shutil.copytree(bundle, folder.bundles / "1-a")
    folder.say(ModelState(1, "bundles/1-a"))


def settled(ready: dict[str, Any]) -> bool:
    """Whether every worker serves a model and knows the store's contacts."""
    snapshot_id = ready["store"]["snapshot_id"]
    return (
        ready["ready"]
        and ready["store"]["ok"]
        and all(
            worker["version"] and worker["snapshot_id"] == snapshot_id
            for worker in ready["workers"]
        )
    )


def movie_ids(answer: dict[str, Any]) -> list[int]:
    return [item["movie_id"] for item in answer["items"]]
