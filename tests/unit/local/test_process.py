"""Servers are found and ended with all that they started."""

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.local import ports, process

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
def pidfile(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "pid"
    process.end(tmp_path / "pid", grace_s=0.1)


def start(code: str, pidfile: Path, directory: Path) -> process.Child:
    log = directory / "server.log"
    child = process.start(
        [sys.executable, "-c", code], pidfile=pidfile, log=log, env=os.environ, cwd=directory
    )
    process.wait_until(
        lambda: "ready" in log.read_text(), child, name="server", log=log, timeout_s=20
    )
    return child


def test_a_child_in_another_session_is_ended_too(pidfile: Path, tmp_path: Path) -> None:
    start(PARENT_AND_CHILD, pidfile, tmp_path)
    assert len(process.running(pidfile)) == 2
    assert process.end(pidfile)
    assert process.running(pidfile) == []
    assert not pidfile.exists()
    assert not process.end(pidfile)


def test_a_child_is_found_when_its_parent_was_killed(pidfile: Path, tmp_path: Path) -> None:
    parent = start(PARENT_AND_CHILD, pidfile, tmp_path)
    parent.kill()
    parent.wait()
    assert len(process.running(pidfile)) == 1
    assert process.end(pidfile)
    assert process.running(pidfile) == []


def test_a_child_that_hides_its_environment_is_found_by_its_session(
    pidfile: Path, tmp_path: Path
) -> None:
    # As setproctitle does: the title overwrites what /proc shows as the environment.
    code = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={})
print("ready", flush=True)
import time; time.sleep(60)
"""
    start(code, pidfile, tmp_path).kill()
    (orphan,) = process.running(pidfile)
    assert process.MARK not in orphan.environ()
    assert process.end(pidfile)


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(pidfile: Path) -> None:
    pidfile.write_text(json.dumps([os.getpid(), 1.0]))
    assert process.running(pidfile) == []


def test_who_ignores_sigterm_is_killed(pidfile: Path, tmp_path: Path) -> None:
    start(STUBBORN, pidfile, tmp_path)
    process.end(pidfile, grace_s=0.2)
    assert process.running(pidfile) == []


def test_a_server_that_ends_shows_its_last_lines(pidfile: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    child = process.start(
        [sys.executable, "-c", "print('no room on disk'); raise SystemExit(3)"],
        pidfile=pidfile, log=log, env=os.environ, cwd=tmp_path,
    )  # fmt: skip
    with pytest.raises(NotReadyError, match=r"(?s)Kafka ended with exit code 3.*no room on disk"):
        process.wait_until(lambda: False, child, name="Kafka", log=log, timeout_s=20)


def test_a_server_that_never_gets_healthy_is_named(pidfile: Path, tmp_path: Path) -> None:
    child = start(STUBBORN, pidfile, tmp_path)
    with pytest.raises(NotReadyError, match=r"(?s)Kafka isn't healthy after 0 s.*ready"):
        process.wait_until(
            lambda: False, child, name="Kafka", log=tmp_path / "server.log", timeout_s=0.3
        )


def test_a_missing_program_is_named(pidfile: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="Can't start no-such-program"):
        process.start(
            ["no-such-program"], pidfile=pidfile, log=tmp_path / "log", env=os.environ, cwd=tmp_path
        )


SERVER = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print("ready", server.getsockname()[1], flush=True)
time.sleep(60)
"""
LOSES_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_server_is_known_by_the_port_on_which_it_listens(pidfile: Path, tmp_path: Path) -> None:
    start(SERVER, pidfile, tmp_path)
    port = int((tmp_path / "server.log").read_text().split()[1])
    assert process.listens(pidfile, port)
    assert process.of_any_stack(port)
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        assert not process.listens(pidfile, taken)
        assert not process.of_any_stack(taken)


def test_a_server_that_lost_a_child_is_not_intact(pidfile: Path, tmp_path: Path) -> None:
    parent = start(LOSES_A_CHILD, pidfile, tmp_path)
    assert process.intact(pidfile)
    child = next(found for found in process.running(pidfile) if found.pid != parent.pid)
    child.kill()
    assert process.wait(lambda: not process.intact(pidfile), timeout_s=5)
    with pytest.raises(NotReadyError, match="lost one of its processes"):
        process.wait_until(
            lambda: False, parent, name="Airflow", log=tmp_path / "server.log", timeout_s=20
        )


def test_a_server_whose_leader_was_killed_is_not_intact(pidfile: Path, tmp_path: Path) -> None:
    assert not process.intact(pidfile)
    parent = start(PARENT_AND_CHILD, pidfile, tmp_path)
    parent.kill()
    assert process.wait(lambda: not process.intact(pidfile), timeout_s=5)
    parent.wait()
    assert not process.intact(pidfile)


def test_the_wait_for_a_server_can_be_given_up(pidfile: Path, tmp_path: Path) -> None:
    child = start(STUBBORN, pidfile, tmp_path)
    give_up = threading.Event()
    give_up.set()
    with pytest.raises(NotReadyError, match="given up"):
        process.wait_until(
            lambda: False, child, name="Kafka", log=tmp_path / "server.log", timeout_s=20,
            give_up=give_up,
        )  # fmt: skip
