"""Airflow in a temporary home: set before anything imports airflow, whatever the test order."""

import atexit
import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from movie_recommender.orchestration.outbox import Outbox
from tests.unit.orchestration.sinks import MailSink, SlackSink

SLACK_TOKEN = "T/B/a-secret"
DAGS = Path(__file__).parents[3] / "dags"

HOME = tempfile.mkdtemp(prefix="movie-recommender-airflow-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = HOME
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAGS)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

OWN_CONNECTIONS = tuple(f"AIRFLOW_CONN_{name}_DEFAULT" for name in ("SLACK", "SMTP", "APPRISE"))
OWN_CONTACTS = ("ALERT_EMAIL", "ALERT_CHANNELS", "SLACK_CONN_ID", "SMTP_CONN_ID")


@pytest.fixture(autouse=True)
def nobody_is_alerted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own connections and outbox are out of reach; nothing is tried twice."""
    for name in OWN_CONNECTIONS + OWN_CONTACTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "outbox"))
    monkeypatch.setenv("ALERT_PATIENCE_S", "0")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """The outbox of the test."""
    return Outbox(tmp_path / "outbox")


@pytest.fixture(scope="session")
def dag() -> Any:
    """The pipeline, read from the dags folder as Airflow reads it."""
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        for name in OWN_CONTACTS:
            patch.delenv(name, raising=False)
        bag = DagBag(dag_folder=str(DAGS), collect_dags=True)
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    return bag.dags["movie_recommender_pipeline"]


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """A migrated SQLite metadata database."""
    with warnings.catch_warnings():
        # Starlette warns about httpx while Airflow imports its API; not ours to change.
        warnings.simplefilter("ignore")
        import airflow.api_fastapi.execution_api.app  # noqa: F401
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackSink]:
    """Slack, here, as the connection `slack_default` in the provider's form."""
    sink = SlackSink()
    connect_slack(monkeypatch, sink.port)
    yield sink
    sink.close()


def connect_slack(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Connection `slack_default` to a server that is given one second for an answer."""
    connection = {
        "conn_type": "http",
        "host": f"http://127.0.0.1:{port}/services",
        "password": SLACK_TOKEN,
        "extra": {"timeout": 1},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[MailSink]:
    """A mail server, here, as the connection `smtp_default`."""
    sink = MailSink()
    connect_mail(monkeypatch, free_port)
    with serving(sink, free_port):
        yield sink


@contextlib.contextmanager
def serving(sink: MailSink, port: int) -> Iterator[None]:
    """The mail server answers while the block runs."""
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def connect_mail(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Connection `smtp_default` to a server that is given one second for an answer."""
    extra = {
        "from_email": "airflow@example.com",
        "disable_ssl": True,
        "disable_tls": True,
        "timeout": 1,
    }
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT",
        json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}),
    )


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
