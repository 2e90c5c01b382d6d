"""One MLflow server: SQLite for runs and models, a directory for artifacts."""

import os
import sys
from pathlib import Path

import httpx

from movie_recommender.local import process
from movie_recommender.local.ports import LOOPBACK

LOG = "mlflow.log"


def answers(url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether an MLflow server answers at `url`."""
    try:
        return httpx.get(f"{url}/health", timeout=timeout_s).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def start(directory: Path, *, port: int, pidfile: Path) -> process.Child:
    """Start a server on loopback that keeps everything in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{directory.resolve()}/mlflow.db"),
        *("--artifacts-destination", str(directory.resolve() / "artifacts")),
    ]
    environment = {
        **os.environ,
        # Jobs are for MLflow's evaluations of language models: nine processes, 2 GB, unused here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return process.start(
        command, pidfile=pidfile, log=directory / LOG, env=environment, cwd=directory
    )
