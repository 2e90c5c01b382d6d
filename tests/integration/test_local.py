"""The sink takes real messages; the stack reuses, restarts and ends its servers."""

import os
import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.local import ports, process
from movie_recommender.local import sink as sink_server
from movie_recommender.local.stack import Stack
from movie_recommender.settings import load_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def sink(tmp_path: Path):
    http = ports.choose(0)
    smtp = ports.choose(0, taken=frozenset({http}))
    log = tmp_path / "sink.log"
    command = [
        *(sys.executable, "-m", "movie_recommender.local.sink"),
        *("--directory", tmp_path, "--http-port", str(http), "--smtp-port", str(smtp)),
    ]
    child = process.start(command, pidfile=tmp_path / "pid", log=log, env=os.environ, cwd=tmp_path)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{http}/messages").is_success
        except httpx.HTTPError:
            return False

    try:
        process.wait_until(answers, child, name="sink", log=log, timeout_s=60)
        yield f"http://127.0.0.1:{http}", smtp, tmp_path / sink_server.MESSAGES
    finally:
        process.end(tmp_path / "pid")


def test_slack_messages_and_mails_are_kept_and_shown(sink) -> None:
    url, smtp, messages = sink
    answer = httpx.post(f"{url}/services/T/B/X", json={"text": "<script>alert(1)</script> & more"})
    assert (answer.status_code, answer.text) == (200, "ok")
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Run failed", "a@example.com", "b@example.com"
    mail.set_content("extract_events failed, Ümläut")
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        client.send_message(mail)

    slack, mailed = sink_server.read_messages(messages)
    assert (slack["channel"], slack["text"]) == ("slack", "<script>alert(1)</script> & more")
    assert mailed["channel"] == "mail"
    assert mailed["to"] == ["b@example.com"]
    assert mailed["subject"] == "Run failed"
    assert "Ümläut" in mailed["text"]
    page = httpx.get(url).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text('{"text": "whole"}\n{"text": "to')
    assert sink_server.read_messages(path) == [{"text": "whole"}]


def test_a_broker_that_does_not_answer_is_named_before_anything_starts(tmp_path: Path) -> None:
    given = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    stack = Stack(tmp_path / "var", tmp_path, given)
    settings = load_settings(kafka_bootstrap_servers="127.0.0.1:9")
    with pytest.raises(NotReadyError, match="No Kafka broker answers at KAFKA_BOOTSTRAP_SERVERS"):
        stack.up(settings, {}, say=lambda _: None)
    assert stack.started == []


def test_an_mlflow_server_that_does_not_answer_is_named(tmp_path: Path, kafka: str) -> None:
    url = "http://127.0.0.1:9"
    given = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka, "MLFLOW_TRACKING_URI": url}
    stack = Stack(tmp_path / "var", tmp_path, given)
    settings = load_settings(kafka_bootstrap_servers=kafka, mlflow_tracking_uri=url)
    with pytest.raises(NotReadyError, match="No MLflow server answers at MLFLOW_TRACKING_URI"):
        stack.up(settings, {}, say=lambda _: None)


def test_two_runs_at_once_in_one_directory(tmp_path: Path) -> None:
    from movie_recommender.local.run import alone

    with alone(tmp_path), pytest.raises(ConfigurationError, match="Another `make run`"):
        alone(tmp_path)
