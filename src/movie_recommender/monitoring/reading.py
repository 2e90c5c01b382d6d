"""Several sources asked at once, each for itself and none for longer than there is patience."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from movie_recommender.errors import MovieRecommenderError

logger = logging.getLogger(__name__)

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Part(Generic[T_co]):
    """What was read of one source.

    Attributes:
        value: None where it couldn't be read, or where no such source is configured.
        problem: why it couldn't be read; None where it was, or where none is configured.
        seconds: that it took.
    """

    value: T_co | None
    problem: str | None = None
    seconds: float = 0.0


Reader = Callable[[], Any]
"""Returns what it read, None where its source isn't configured."""


class Readers:
    """Asks all of `readers`, each in a thread of its own.

    One that hangs is left alone: it isn't started again before it has ended, and its thread doesn't
    hold up the end of the process.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = dict(readers)
        self._running: dict[str, threading.Thread] = {}

    def read(self, *, patience_s: float) -> dict[str, Part[Any]]:
        """What each returned or why it didn't, by name; comes after `patience_s` at the latest."""
        answers: queue.SimpleQueue[tuple[str, Part[Any]]] = queue.SimpleQueue()
        late: Part[Any] = Part(None, f"No answer within {patience_s:g} s.", patience_s)
        parts = dict.fromkeys(self._readers, late)
        began = time.monotonic()
        waiting = {name for name in self._readers if self._start(name, answers)}
        while waiting and (left := began + patience_s - time.monotonic()) > 0:
            try:
                name, part = answers.get(timeout=left)
            except queue.Empty:
                break
            parts[name] = part
            waiting.remove(name)
        return parts

    def _start(self, name: str, answers: "queue.SimpleQueue[tuple[str, Part[Any]]]") -> bool:
        running = self._running.get(name)
        if running is not None and running.is_alive():
            return False

        def ask() -> None:
            answers.put((name, _asked(name, self._readers[name])))

        self._running[name] = threading.Thread(target=ask, name=f"read-{name}", daemon=True)
        self._running[name].start()
        return True


def _asked(name: str, reader: Reader) -> Part[Any]:
    began = time.monotonic()
    try:
        value, problem = reader(), None
    except MovieRecommenderError as error:
        value, problem = None, str(error)
    except Exception as error:  # a defect in one reader must not hide the others
        logger.exception("monitoring: %s couldn't be read", name)
        value, problem = None, f"{error!r:.300}"
    return Part(value, problem, time.monotonic() - began)
