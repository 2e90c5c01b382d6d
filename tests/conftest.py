"""Real servers for the tests, each started at most once a session, and only when asked for."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.local import mlflow_server, ports, process
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.settings import Settings, load_settings
from tests.stream import Stream

JARS = Path(__file__).parent.parent / "var" / "cache" / "kafka"

# A dozen brokers live for a moment each: compiling what they do well takes longer than doing it.
os.environ["JAVA_TOOL_OPTIONS"] = (
    f"{os.environ.get('JAVA_TOOL_OPTIONS', '')} -XX:TieredStopAtLevel=1".strip()
)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker."""
    with SingleBroker(JARS, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.servers


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real MLflow server."""
    directory = tmp_path_factory.mktemp("mlflow")
    port = ports.choose(0)
    started = mlflow_server.start(directory, port=port, pidfile=directory / "pid")
    url = f"http://{ports.LOOPBACK}:{port}"
    try:
        process.wait_until(
            lambda: mlflow_server.answers(url),
            started,
            name="MLflow",
            log=directory / mlflow_server.LOG,
            timeout_s=120,
        )
        yield url
    finally:
        process.end(directory / "pid", grace_s=5)


@pytest.fixture
def settings(tmp_path: Path, kafka: str) -> Settings:
    """Settings whose topics and paths are the test's own."""
    return own_settings(kafka, tmp_path)


@pytest.fixture
def stream(settings: Settings) -> Stream:
    """A topic and a lake of the test's own."""
    return Stream(settings)


def own_settings(servers: str, directory: Path) -> Settings:
    """Settings for the broker at `servers` whose topics are new and whose paths are in a folder."""
    return load_settings(
        kafka_bootstrap_servers=servers,
        kafka_topic_prefix=f"t{uuid.uuid4().hex[:8]}.",
        kafka_timeout_s=20.0,
        data_lake_path=str(directory / "lake"),
        feature_store_path=directory / "features" / "feature_store.duckdb",
    )
