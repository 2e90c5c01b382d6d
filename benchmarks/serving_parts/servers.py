"""The servers that are measured, each in processes of its own, and the program that asks them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from claims import note

from movie_recommender import kafka
from movie_recommender.events import INTERACTIONS, PARTITIONS
from movie_recommender.local import ports, process
from movie_recommender.settings import load_settings

HERE = Path(__file__).parent.parent
JARS = HERE.parent / "var" / "cache" / "kafka"
CONNECTIONS, WORKERS, SECONDS = 8, 2, 6.0
NOBODY = "127.0.0.1:9"
"""In place of a broker's address: impressions and feedback are off."""
SHOWN, QUIET = "k=10", "k=10&impressions=false"

Figures = dict[str, float]


@contextmanager
def ours(tmp: Path, servers: str, model_name: str) -> Iterator[int]:
    """The server, without an MLflow: it serves what its folder has."""
    settings = load_settings(kafka_bootstrap_servers=servers)
    if servers != NOBODY:
        kafka.ensure_topics(settings, {INTERACTIONS.topic: PARTITIONS})
    port = ports.choose(0)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "MLFLOW_TRACKING_URI": f"http://{ports.LOOPBACK}:9",
        "FEATURE_STORE_PATH": str(tmp / "none.duckdb"),
        "MODEL_NAME": model_name,
        "SERVING_PORT": str(port),
        "SERVING_WORKERS": str(WORKERS),
        "SERVING_CACHE_DIR": str(tmp / "cache"),
        # The keeper would only say that MLflow is gone; versions are swapped by hand here.
        "SERVING_RELOAD_S": "3600",
    }
    command = [sys.executable, "-m", "movie_recommender.cli", "serve"]
    with running(command, environment, tmp / "ours", port, "/ready"):
        yield port


@contextmanager
def theirs(bundle: Path, tmp: Path) -> Iterator[int]:
    """The peer, on the same bundle."""
    port = ports.choose(0)
    options = ["--port", str(port), "--workers", str(WORKERS), "--log-level", "warning"]
    command = [sys.executable, "-m", "uvicorn", "serving_parts.peer:app", *options]
    environment = {"PEER_BUNDLE": str(bundle), "PYTHONPATH": python_path()}
    with running(command, environment, tmp / "theirs", port, "/recommendations/1"):
        yield port


@contextmanager
def running(
    command: list[str], environment: dict[str, str], directory: Path, port: int, path: str
) -> Iterator[None]:
    """The server of `command`, once it answers `path`."""
    directory.mkdir()
    pidfile, log = directory / "pid", directory / "log"
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    child = process.start(command, pidfile=pidfile, log=log, env=env, cwd=HERE)

    def answers() -> bool:
        try:
            return httpx.get(f"http://{ports.LOOPBACK}:{port}{path}", timeout=5).is_success
        except httpx.HTTPError:
            return False

    try:
        process.wait_until(answers, child, name=command[2], log=log, timeout_s=60)
        yield
    finally:
        process.end(pidfile)


def load(port: int, query: str, n_users: int) -> Figures:
    """What the server at `port` answers for a while; users' ids count from 0."""
    numbers = [str(port), str(CONNECTIONS), str(SECONDS), str(n_users), query]
    command = [sys.executable, "-m", "serving_parts.load", *numbers]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True, timeout=60)
    found: Figures = json.loads(run.stdout)
    note(f"  {port} {query}: {run.stdout.strip()}")
    return found


def ready(port: int) -> dict[str, Any]:
    """What `/ready` shows."""
    return dict(httpx.get(f"http://{ports.LOOPBACK}:{port}/ready").json())


def python_path() -> str:
    """Of this process, for the peer."""
    return os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
