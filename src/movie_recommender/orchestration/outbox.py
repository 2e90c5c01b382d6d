"""Alerts on their way, as files: what isn't delivered waits here, what is leaves its mark.

A letter is written whole before it is sent. Whoever sends it holds its lock, and moves it to
`sent/` as soon as a channel has taken it. So a kill at any point loses nothing, and one between a
channel's answer and the move, and only that one, sends the letter again, with the same id.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from movie_recommender.orchestration.alerts import Alert

logger = logging.getLogger(__name__)

SENT = "sent"
"""The folder inside the outbox with what was delivered."""

KEPT = timedelta(days=30)
"""How long a delivered letter is remembered."""


@dataclass(frozen=True)
class Letter:
    """An alert to be delivered once.

    Attributes:
        key: what the alert is about and whom it is for; letters with the same key are one letter.
        channels: any of them may take it, the first one first.
        alert: the alert.
        written: when.
    """

    key: str
    channels: tuple[str, ...]
    alert: Alert
    written: datetime

    @property
    def id(self) -> str:
        """The letter's short name, seen in every copy that is sent."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:12]


class Outbox:
    """The letters in `folder`, which is made when the first one is put."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, letter: Letter) -> None:
        """Keep the letter; nothing changes if it waits already or was sent.

        Raises:
            OSError: the folder can't be written.
        """
        path = self._path(letter)
        if path.exists() or self.was_sent(letter):
            return
        (self._folder / SENT).mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        content = {**asdict(letter), "written": letter.written.isoformat()}
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def waiting(self) -> list[Letter]:
        """The letters that nobody has taken yet, oldest first.

        A file that is none, edited by hand, is put aside as `.bad`.
        """
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(_read(path))
            except FileNotFoundError:  # sent meanwhile
                continue
            except (ValueError, KeyError, TypeError):
                logger.exception("outbox: %s is no letter, put aside as .bad", path)
                path.rename(path.with_suffix(".bad"))
        return sorted(found, key=lambda letter: letter.written)

    def was_sent(self, letter: Letter) -> bool:
        """Whether a channel has taken the letter, in the last `KEPT`."""
        return self._mark(letter).exists()

    def waits(self, letter: Letter) -> bool:
        """Whether nobody has taken the letter yet."""
        return self._path(letter).exists() and not self.was_sent(letter)

    @contextlib.contextmanager
    def alone(self, letter: Letter) -> Iterator[bool]:
        """Whether nobody else sends the letter, which may not be put yet, before the block ends.

        Raises:
            OSError: the folder can't be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock(letter))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def sent(self, letter: Letter) -> None:
        """Remember that a channel has taken the letter; the caller is alone with it.

        Raises:
            OSError: the folder can't be written.
        """
        self._path(letter).replace(self._mark(letter))
        # Who holds the file open still finds the letter gone.
        self._lock(letter).unlink(missing_ok=True)

    def discard(self, letter: Letter) -> None:
        """Forget a letter that nobody is to get; the caller is alone with it."""
        self._path(letter).unlink(missing_ok=True)
        self._lock(letter).unlink(missing_ok=True)

    def tidy(self, now: datetime) -> None:
        """Forget what was delivered long ago, and the halves of writers that were killed."""
        oldest = (now - KEPT).timestamp()
        for pattern in (f"{SENT}/*.json", "*.new", "*.lock"):
            for path in self._folder.glob(pattern):
                with contextlib.suppress(FileNotFoundError):  # another process tidies, too
                    if path.stat().st_mtime < oldest:
                        path.unlink()

    def _path(self, letter: Letter) -> Path:
        return self._folder / f"{letter.id}.json"

    def _mark(self, letter: Letter) -> Path:
        return self._folder / SENT / f"{letter.id}.json"

    def _lock(self, letter: Letter) -> Path:
        return self._folder / f"{letter.id}.lock"


def _read(path: Path) -> Letter:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Letter(
        key=content["key"],
        channels=tuple(content["channels"]),
        alert=Alert(**content["alert"]),
        written=datetime.fromisoformat(content["written"]),
    )
