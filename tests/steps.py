"""Steps to which something happens in the middle: a kill, another step, a broker's end."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

import pytest
from deltalake import DeltaTable

from movie_recommender.errors import MovieRecommenderError
from movie_recommender.extract import source, topic
from movie_recommender.lake import Lake, LakeCare, store

Made = TypeVar("Made")

GAVE_UP = 3
"""Exit code of a step that raised one of our errors."""

_spawner = multiprocessing.get_context("forkserver")
_spawner.set_forkserver_preload(["movie_recommender.extract", "tests.steps"])


@contextmanager
def at_moment(nth: int, happens: Callable[[], object]) -> Iterator[None]:
    """Have something done at the nth of the moments at which the block's steps might be overtaken.

    Each commit to the lake has two: before it is begun, and when all that it needs has been read
    and compared (for a day that is rewritten: and its file is there) and Delta is to write it. So 3
    is after the first commit.
    """
    n_moments = 0

    def announced(commit: Callable[..., Any]) -> Callable[..., Any]:
        def announce(*arguments: object, **options: object) -> object:
            nonlocal n_moments
            n_moments += 1
            if n_moments == nth:
                happens()
            return commit(*arguments, **options)

        return announce

    begun = [(Lake, "append"), (Lake, "delete"), (LakeCare, "rewrite"), (LakeCare, "replace")]
    written = [(store, "write_deltalake"), (DeltaTable, "create_write_transaction")]
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in begun + written:
            patch.setattr(owner, name, announced(getattr(owner, name)))
        yield


@contextmanager
def small_commits(n_messages: int) -> Iterator[None]:
    """Have extractions in this process commit after about so many messages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "MAX_BATCH_MESSAGES", n_messages)
        patch.setattr(topic, "MAX_COMMIT_MESSAGES", n_messages)
        yield


def start(
    step: Callable[[], object], *, kill_at: int = 0, n_messages: int = 50
) -> ForkServerProcess:
    """Begin a step in a process of its own; see `at_moment` (0: never) and `small_commits`."""
    process = _spawner.Process(target=_run, args=(step, kill_at, n_messages))
    process.start()
    return process


def weigh(step: Callable[[], Made]) -> tuple[Made, int]:
    """What a step returned in a process of its own, and the most bytes of memory that it held."""
    told, tell = _spawner.Pipe(duplex=False)
    process = _spawner.Process(target=_weighed, args=(step, tell))
    process.start()
    tell.close()
    made, peak = told.recv()
    process.join()
    return made, peak


def _run(step: Callable[[], object], kill_at: int, n_messages: int) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with small_commits(n_messages), at_moment(kill_at, die):
        try:
            step()
        except MovieRecommenderError:
            os._exit(GAVE_UP)


def _weighed(step: Callable[[], object], tell: "Connection[Any, Any]") -> None:
    made = step()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    tell.send((made, peak))
