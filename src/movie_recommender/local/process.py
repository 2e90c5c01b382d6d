"""Server processes: started in a session of their own, found and ended with all they started.

A server is known by its pid file. Its processes are the members of the session that its leader
opened, and whatever carries the pid file's path in its environment: some children open sessions
of their own, others overwrite their environment by a title. Neither way depends on the leader or
on the call that started it being alive.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from movie_recommender.errors import NotReadyError

MARK = "MOVIE_RECOMMENDER_SERVER"
"""Environment variable with the path of the server's pid file."""

_LOG_LINES = 15

Child = subprocess.Popen[bytes]

_children: list[Child] = []
"""Kept, because a Popen that is dropped while its process runs warns of a leak; ours may run on."""


def start(
    command: Sequence[str | Path], *, pidfile: Path, log: Path, env: Mapping[str, str], cwd: Path
) -> Child:
    """Start `command` in a session of its own, its output appended to `log`.

    Raises:
        NotReadyError: the program isn't there.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**env, MARK: str(pidfile)},
                cwd=cwd,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = f"Can't start {command[0]}: no such program. Run: make install"
            raise NotReadyError(message) from error
    _children.append(child)
    pidfile.write_text(json.dumps([child.pid, psutil.Process(child.pid).create_time()]))
    return child


def wait_until(
    healthy: Callable[[], bool],
    child: Child,
    *,
    name: str,
    log: Path,
    timeout_s: float,
    give_up: threading.Event | None = None,
) -> None:
    """Return once `healthy()`; asks four times a second.

    Raises:
        NotReadyError: the process or one that it started ended, the time ran out, or `give_up` was
            set meanwhile; shows the log's last lines.
    """
    give_up = give_up or threading.Event()
    deadline = time.monotonic() + timeout_s
    while not healthy():
        if child.poll() is not None:
            message = _failure(name, f"ended with exit code {child.returncode}", log)
            raise NotReadyError(message)
        if _lost_a_child(child.pid):
            raise NotReadyError(_failure(name, "has lost one of its processes", log))
        if time.monotonic() > deadline:
            raise NotReadyError(_failure(name, f"isn't healthy after {timeout_s:.0f} s", log))
        if give_up.wait(0.25):
            raise NotReadyError(_failure(name, "was given up while it started", log))


def wait(condition: Callable[[], bool], *, timeout_s: float) -> bool:
    """Whether `condition()` came true within `timeout_s`; asks four times a second."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)
    return True


def running(pidfile: Path) -> list[psutil.Process]:
    """Living processes of the server with this pid file."""
    session = _session(pidfile)
    found = []
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if candidate.status() == psutil.STATUS_ZOMBIE:
                continue
            marked = candidate.environ().get(MARK) == str(pidfile)
            if marked or (session is not None and os.getsid(candidate.pid) == session):
                found.append(candidate)
    return found


def intact(pidfile: Path) -> bool:
    """Whether the server's leader lives and has lost none of the processes that it started."""
    session = _session(pidfile)
    try:
        return (
            session is not None
            and psutil.Process(session).status() != psutil.STATUS_ZOMBIE
            and not _lost_a_child(session)
        )
    except psutil.NoSuchProcess:
        return False


def _lost_a_child(leader: int) -> bool:
    """Whether a child died unnoticed: `airflow standalone` never asks after its four."""

    def dead() -> set[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(leader).children()
            return {child.pid for child in children if child.status() == psutil.STATUS_ZOMBIE}
        return set()

    found = dead()
    if not found:
        return False
    time.sleep(0.2)  # every child is a zombie for the moment until its parent has asked
    return bool(found & dead())


def listens(pidfile: Path, port: int) -> bool:
    """Whether it is this server that listens on `port`, and no other program."""
    return any(_listens(candidate, port) for candidate in running(pidfile))


def of_any_stack(port: int) -> bool:
    """Whether a server of any local stack, of another checkout for example, listens on `port`."""
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if MARK in candidate.environ() and _listens(candidate, port):
                return True
    return False


def _listens(candidate: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in candidate.net_connections("tcp")
        )
    return False


def _session(pidfile: Path) -> int | None:
    """The server's session; None when it can't be living any more.

    The kernel gives a session's number to nobody else while it has members; when all are gone, a
    new process may get it, which then has another start time.
    """
    try:
        pid, created = json.loads(pidfile.read_text())
    except (FileNotFoundError, ValueError):
        return None
    try:
        same = abs(psutil.Process(pid).create_time() - created) < 0.01
    except psutil.NoSuchProcess:
        return int(pid)  # the leader is gone; its children may live
    return int(pid) if same else None


def end(pidfile: Path, *, grace_s: float = 10.0) -> bool:
    """End every process of the server: SIGTERM, and SIGKILL to what is left after `grace_s`.

    Its pid file goes with the last of them.

    Returns:
        Whether there was any.
    """
    processes = running(pidfile)
    _signal(processes, signal.SIGTERM)
    psutil.wait_procs(processes, timeout=grace_s)
    left = running(pidfile)  # asked again: children may have come in the meantime
    _signal(left, signal.SIGKILL)
    _, alive = psutil.wait_procs(left, timeout=5.0)
    if not alive:
        pidfile.unlink(missing_ok=True)
    _children[:] = [child for child in _children if child.poll() is None]  # reaps the dead
    return bool(processes)


def last_lines(log: Path, count: int = _LOG_LINES) -> str:
    """The log's last lines, indented; a note where there are none."""
    if not log.exists():
        return f"  (no log at {log})"
    lines = log.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"  {line}" for line in lines) or f"  ({log} is empty)"


def _failure(name: str, what: str, log: Path) -> str:
    return f"{name} {what}. Last lines of {log}:\n{last_lines(log)}"


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
