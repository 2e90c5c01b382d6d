"""Server processes: started with a mark in their environment, found and ended by it.

Process ids are used again and children leave their group; the environment is inherited by every
descendant and stays. So a server that was started by a call that died is still found, with all
that it started.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from movie_recommender.errors import NotReadyError

MARK = "MOVIE_RECOMMENDER_SERVER"
"""Environment variable with the mark: which server of which stack."""

_LOG_LINES = 15

Child = subprocess.Popen[bytes]

_children: list[Child] = []
"""Kept, because a Popen that is dropped while its process runs warns of a leak; ours may run on."""


def start(
    command: Sequence[str | Path], *, mark: str, log: Path, env: Mapping[str, str], cwd: Path
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
                env={**env, MARK: mark},
                cwd=cwd,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = f"Can't start {command[0]}: no such program. Run: make install"
            raise NotReadyError(message) from error
    _children.append(child)
    return child


def wait_until(
    healthy: Callable[[], bool],
    child: Child,
    *,
    name: str,
    log: Path,
    timeout_s: float,
) -> None:
    """Return once `healthy()`; asks four times a second.

    Raises:
        NotReadyError: the process ended or the time ran out; shows the log's last lines.
    """
    deadline = time.monotonic() + timeout_s
    while not healthy():
        if child.poll() is not None:
            message = _failure(name, f"ended with exit code {child.returncode}", log)
            raise NotReadyError(message)
        if time.monotonic() > deadline:
            raise NotReadyError(_failure(name, f"isn't healthy after {timeout_s:.0f} s", log))
        time.sleep(0.25)


def wait(condition: Callable[[], bool], *, timeout_s: float) -> bool:
    """Whether `condition()` came true within `timeout_s`; asks four times a second."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.25)
    return True


def running(mark: str) -> list[psutil.Process]:
    """Living processes with this mark."""
    found = []
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if candidate.environ().get(MARK) == mark:
                found.append(candidate)
    return found


def end(mark: str, *, grace_s: float = 10.0) -> bool:
    """End every process with this mark: SIGTERM, and SIGKILL to what is left after `grace_s`.

    Returns:
        Whether there was any.
    """
    processes = running(mark)
    _signal(processes, signal.SIGTERM)
    psutil.wait_procs(processes, timeout=grace_s)
    left = running(mark)  # asked again: children may have come in the meantime
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5.0)
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
