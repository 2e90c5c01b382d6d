"""The sink takes real messages; the stack reuses, restarts and ends its servers."""

import os
import smtplib
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.local import broker, ports, process, services
from movie_recommender.local import sink as sink_server
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.local.stack import PortTakenError, Stack, _State
from movie_recommender.settings import load_settings
from tests.conftest import JARS

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
    sink_server.Mailbox(path).keep("slack", "after the kill")
    assert [m["text"] for m in sink_server.read_messages(path)] == ["whole", "after the kill"]


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


def ensure_sink(var: Path, http: int) -> tuple[str, Stack]:
    """Have `var`'s stack run its sink on port `http`."""
    stack = Stack(var, var, os.environ)
    smtp = ports.choose(0, taken=frozenset({http}))
    state = _State(ports={"sink": http, "smtp": smtp})
    service = services.sink(var, state.ports, stack._pidfile("sink"))
    return stack._ensure(service, state, threading.Event()), stack


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    Stack(tmp_path, tmp_path, {}).down()


def test_a_server_is_reused_started_anew_when_killed_and_ended_once(var: Path) -> None:
    http = ports.choose(0)
    assert ensure_sink(var, http)[0] == "started"
    how, second = ensure_sink(var, http)
    assert (how, second.started) == ("runs already", [])
    (server,) = process.running(var / "sink.pid")
    server.kill()
    server.wait()
    how, third = ensure_sink(var, http)
    assert (how, third.started) == ("started", ["sink"])
    assert third.down() == ["sink"]
    assert third.down() == []
    assert ports.is_free(http)


def test_another_stacks_answer_on_the_port_is_not_taken_for_ones_own(sink, var: Path) -> None:
    url, _, _ = sink
    other = var / "other"
    other.mkdir()
    http = int(url.rpartition(":")[2])
    with pytest.raises(PortTakenError, match=f"another program took port {http}"):
        ensure_sink(other, http)
    assert process.running(other / "sink.pid") == []
    assert httpx.get(f"{url}/messages").is_success


def test_a_broker_keeps_its_messages_when_killed_and_moved(tmp_path: Path) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition

    from movie_recommender import kafka

    first, moved = (SingleBroker(JARS, tmp_path / "kafka") for _ in range(2))
    assert first.servers != moved.servers
    with first:
        settings = load_settings(kafka_bootstrap_servers=first.servers)
        kafka.ensure_topics(settings, {"users": 1})
        producer = Producer(kafka.client_config(settings))
        producer.produce("users", b"kept")
        assert producer.flush(20) == 0
        first.kill()
        assert not broker.answers(first.servers, timeout_s=1)
    with moved:
        settings = load_settings(kafka_bootstrap_servers=moved.servers)
        consumer = Consumer(kafka.client_config(settings, group_id="reader"))
        marks = consumer.get_watermark_offsets(TopicPartition("users", 0), timeout=20)
        consumer.close()
    assert marks == (0, 1)
