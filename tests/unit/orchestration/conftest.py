"""Airflow in a temporary home: set before anything imports airflow, whatever the test order."""

import atexit
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

from tests.unit.orchestration.sinks import MailSink, SlackSink

DAGS = Path(__file__).parents[3] / "dags"

HOME = tempfile.mkdtemp(prefix="movie-recommender-airflow-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = HOME
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAGS)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

OWN_CONNECTIONS = ("AIRFLOW_CONN_SLACK_DEFAULT", "AIRFLOW_CONN_SMTP_DEFAULT")
OWN_CONTACTS = ("ALERT_EMAIL", "SLACK_CONN_ID", "SMTP_CONN_ID")


@pytest.fixture(autouse=True)
def nobody_is_alerted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own connections are out of reach."""
    for name in OWN_CONNECTIONS + OWN_CONTACTS:
        monkeypatch.delenv(name, raising=False)


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
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK_DEFAULT",
        json.dumps(
            {
                "conn_type": "http",
                "host": f"http://127.0.0.1:{sink.port}/services",
                "password": "T/B/X",
            }
        ),
    )
    yield sink
    sink.server.shutdown()
    sink.server.server_close()


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[MailSink]:
    """A mail server, here, as the connection `smtp_default`."""
    sink = MailSink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port)
    controller.start()
    extra = {
        "from_email": "airflow@example.com",
        "disable_ssl": True,
        "disable_tls": True,
        "timeout": 5,
        "retry_limit": 1,
    }
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT",
        json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": free_port, "extra": extra}),
    )
    yield sink
    controller.stop()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
