"""Servers are found and ended by their mark, with all that they started."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.local import process

PARENT_AND_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         start_new_session=True)
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def mark() -> Iterator[str]:
    value = f"test-{uuid.uuid4().hex}"
    yield value
    process.end(value, grace_s=0.1)


def start(code: str, mark: str, directory: Path) -> process.Child:
    log = directory / "server.log"
    child = process.start(
        [sys.executable, "-c", code], mark=mark, log=log, env=os.environ, cwd=directory
    )
    process.wait_until(
        lambda: "ready" in log.read_text(), child, name="server", log=log, timeout_s=20
    )
    return child


def test_a_child_in_another_session_is_ended_too(mark: str, tmp_path: Path) -> None:
    start(PARENT_AND_CHILD, mark, tmp_path)
    assert len(process.running(mark)) == 2
    assert process.end(mark)
    assert process.running(mark) == []
    assert not process.end(mark)


def test_a_child_is_found_when_its_parent_was_killed(mark: str, tmp_path: Path) -> None:
    parent = start(PARENT_AND_CHILD, mark, tmp_path)
    parent.kill()
    parent.wait()
    assert len(process.running(mark)) == 1
    assert process.end(mark)
    assert process.running(mark) == []


def test_who_ignores_sigterm_is_killed(mark: str, tmp_path: Path) -> None:
    start(STUBBORN, mark, tmp_path)
    process.end(mark, grace_s=0.2)
    assert process.running(mark) == []


def test_a_server_that_ends_shows_its_last_lines(mark: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    child = process.start(
        [sys.executable, "-c", "print('no room on disk'); raise SystemExit(3)"],
        mark=mark, log=log, env=os.environ, cwd=tmp_path,
    )  # fmt: skip
    with pytest.raises(NotReadyError, match=r"(?s)Kafka ended with exit code 3.*no room on disk"):
        process.wait_until(lambda: False, child, name="Kafka", log=log, timeout_s=20)


def test_a_server_that_never_gets_healthy_is_named(mark: str, tmp_path: Path) -> None:
    child = start(STUBBORN, mark, tmp_path)
    with pytest.raises(NotReadyError, match=r"(?s)Kafka isn't healthy after 0 s.*ready"):
        process.wait_until(
            lambda: False, child, name="Kafka", log=tmp_path / "server.log", timeout_s=0.3
        )


def test_a_missing_program_is_named(mark: str, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="Can't start no-such-program"):
        process.start(
            ["no-such-program"], mark=mark, log=tmp_path / "log", env=os.environ, cwd=tmp_path
        )
