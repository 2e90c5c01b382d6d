"""The server: workers that answer, a keeper that fetches, and who replaces them when they die.

Each worker has a listening socket of its own on the one port (SO_REUSEPORT): the kernel deals new
connections out by a hash of their addresses. With one socket for all, whichever worker asks first
gets the connection, and that is mostly the one that has just been busy: it ends up with nearly all.
The parent keeps every socket open, so that connections of a worker that died wait for its successor
and aren't refused.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from movie_recommender.errors import ConfigurationError
from movie_recommender.serving.access import Door
from movie_recommender.serving.cache import CacheFolder
from movie_recommender.serving.claims import Claims
from movie_recommender.serving.shadow_lists import ShadowLists
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

BACKLOG = 2048
_STOP_S = 15.0
_AGAIN_S = 1.0
"""A process that lived shorter is started again only after so long."""

# Forked from a parent that has imported everything: a worker starts in a tenth of a second.
_processes = multiprocessing.get_context("fork")

Target = Callable[[], None]


class _Stopped(Exception):
    """SIGTERM or SIGINT came."""


def serve(settings: Settings, *, clock: Callable[[], datetime]) -> None:
    """Serve until SIGTERM or SIGINT; then what is under way is answered, and all processes end.

    Starts without a model, and answers with the first one that is promoted.

    Args:
        settings: the process's settings.
        clock: tells the time.

    Raises:
        ConfigurationError: the address can't be listened on, the cache folder not be written, or
            the keys not be read.
    """
    door = Door(settings, clock=clock)
    folder = _folder(settings)
    # Made, or mended, before several workers open them.
    Claims(folder.claims).close()
    if settings.serving_shadow_share > 0:
        ShadowLists(folder.shadow_lists).close()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.metrics)  # read when it is imported
    from prometheus_client.multiprocess import mark_process_dead

    from movie_recommender.serving import keeper, worker

    sockets = [_listen(settings) for _ in range(settings.serving_workers)]

    def work(number: int) -> Target:
        return lambda: worker.run(
            settings, folder, sockets[number], number=number, clock=clock, door=door
        )

    def ended(pid: int) -> None:
        mark_process_dead(pid, str(folder.metrics))  # type: ignore[no-untyped-call]

    ended(os.getpid())  # it serves nothing: its 0 would be the lowest version for ever
    targets = {f"worker-{number}": work(number) for number in range(len(sockets))}
    targets["keeper"] = keeper.Keeper(settings, folder).run
    logger.info("serving on http://%s:%s", settings.serving_host, settings.serving_port)
    with _stoppable():
        children = _Children(targets, on_end=ended)
        try:
            children.watch()
        except _Stopped:
            logger.info("stopping")
        finally:
            for listening in sockets:
                listening.close()
            children.stop()


class _Children:
    """Processes by name, each of which is started again when it ends; `on_end` gets its id."""

    def __init__(self, targets: dict[str, Target], *, on_end: Callable[[int], None]) -> None:
        self._targets = targets
        self._on_end = on_end
        self._running = {name: self._start(name) for name in targets}
        self._started = dict.fromkeys(targets, time.monotonic())

    def watch(self) -> None:
        """Replace whoever ends, for ever."""
        while True:
            wait([child.sentinel for child in self._running.values()])
            for name, child in list(self._running.items()):
                if not child.is_alive():
                    self._replace(name, child)

    def stop(self) -> None:
        """End all; those that don't in time are killed."""
        for child in self._running.values():
            child.terminate()
        deadline = time.monotonic() + _STOP_S
        for child in self._running.values():
            child.join(max(0.0, deadline - time.monotonic()))
            if child.is_alive():
                child.kill()
                child.join()

    def _replace(self, name: str, child: BaseProcess) -> None:
        child.join()
        self._on_end(child.pid or 0)
        logger.warning("%s ended with exit code %s: started again", name, child.exitcode)
        lived = time.monotonic() - self._started[name]
        if lived < _AGAIN_S:
            time.sleep(_AGAIN_S - lived)
        self._started[name] = time.monotonic()
        self._running[name] = self._start(name)

    def _start(self, name: str) -> BaseProcess:
        child = _processes.Process(target=_run, args=(self._targets[name],), name=name)
        child.start()
        return child


def _run(target: Target) -> None:
    """In the child: the parent's way of stopping is not the child's."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    target()


def _folder(settings: Settings) -> CacheFolder:
    path = settings.serving_cache_dir / settings.model_name
    try:
        folder = CacheFolder(path)
        folder.begin()
    except OSError as error:
        message = (
            f"SERVING_CACHE_DIR={settings.serving_cache_dir}: can't write {path} "
            f"({error.strerror}), expected a directory that this user may write. Correct it."
        )
        raise ConfigurationError(message) from error
    return folder


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.serving_host, settings.serving_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        message = (
            f"SERVING_HOST={host}, SERVING_PORT={port}: can't listen there ({error.strerror}). "
            "End the program that does, or choose another port."
        )
        raise ConfigurationError(message) from error
    return listening


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM and SIGINT raise `_Stopped` in the block, once."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's form
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped

    before = [signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        with suppress(ValueError):
            for each, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
                signal.signal(each, handler)
