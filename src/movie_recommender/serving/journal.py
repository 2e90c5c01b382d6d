"""Contacts that were confirmed since the feature store's snapshot, shared by a machine's workers.

A worker appends what it has posted to Kafka, and every worker reads on before it answers: whoever
posts and then asks, of whichever worker, finds that it counts. One file a UTC day, records of one
size; a write of one is atomic (`O_APPEND`), so that there is nothing to lock. Whether there is
something to read is seen in memory that all map, without asking the system at each request.
"""

import mmap
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

_RECORD = struct.Struct("<qqqB7x")
_LIKED, _DISLIKED = 1, 2
_NAME = "contacts-{}.journal"
_DAY = timedelta(days=1)
_BELL, _BELL_BYTES = "bell", 8
_READ_BYTES = _RECORD.size * 32_768


@dataclass(frozen=True)
class Contact:
    """A user met a movie.

    Attributes:
        user_id: who.
        movie_id: which.
        time_us: when, in microseconds since 1970.
        liked: he said or showed that he likes it.
        disliked: he said that he doesn't, which takes back that he did.
    """

    user_id: int
    movie_id: int
    time_us: int
    liked: bool
    disliked: bool = False


class Journal:
    """The files of one directory.

    Args:
        directory: is made if it isn't there.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._bell = _Bell(directory / _BELL)

    def append(self, contact: Contact, *, now: datetime) -> None:
        """Add a contact to today's file.

        Raises:
            OSError: the disk refused; nothing was added.
        """
        said = _LIKED * contact.liked + _DISLIKED * contact.disliked
        record = _RECORD.pack(contact.user_id, contact.movie_id, contact.time_us, said)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self._path(now.astimezone(UTC).date()), flags, 0o600)
        try:
            os.write(descriptor, record)
        finally:
            os.close(descriptor)
        self._bell.ring()

    def reader(self) -> "JournalReader":
        """A reader that begins with the oldest file."""
        days = [day for day in map(_day_of, self._directory.iterdir()) if day is not None]
        return JournalReader(self._path, sorted(days), self._bell)

    def forget(self, before: date) -> None:
        """Delete the files of earlier days."""
        for path in self._directory.iterdir():
            day = _day_of(path)
            if day is not None and day < before:
                path.unlink(missing_ok=True)

    def _path(self, day: date) -> Path:
        return self._directory / _NAME.format(day.isoformat())


class _Bell:
    """Eight bytes of a file that all processes map: others whenever somebody has rung.

    Args:
        path: is made if it isn't there.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _BELL_BYTES)
            self._mapped = mmap.mmap(descriptor, _BELL_BYTES)
        finally:
            os.close(descriptor)

    def ring(self) -> None:
        """Have every reader look."""
        # By chance and not by counting: two that ring at once must not write the same.
        self._mapped[:] = os.urandom(_BELL_BYTES)

    def heard(self) -> bytes:
        """The bytes as they are."""
        return self._mapped[:]


class JournalReader:
    """Reads on where it stopped. Not for several threads at once.

    Args:
        path_of: the file of a day.
        days: of files that are there, ascending.
        bell: rings after each contact that is added.
    """

    def __init__(self, path_of: Callable[[date], Path], days: Sequence[date], bell: _Bell) -> None:
        self._bell = bell
        self._heard = b""
        self._path_of = path_of
        self._days = list(days)
        self._at: dict[date, tuple[BinaryIO, int]] = {}
        """The open files, and the next byte of each."""
        self._today: date | None = None
        self._growing: list[tuple[date, str]] = []

    def new(self, *, now: datetime) -> Iterator[Contact]:
        """The contacts that came since the last call, in the order of their files.

        Only the files of today and yesterday grow: a writer's clock is this machine's, too.
        """
        heard = self._bell.heard()
        if heard == self._heard:
            return
        today = now.astimezone(UTC).date()
        if today != self._today:
            self._today = today
            self._growing = [(day, str(self._path_of(day))) for day in (today - _DAY, today)]
            yield from self._finished()
        for day, path in self._growing:
            yield from self._rest(day, path)
        self._heard = heard  # what was added meanwhile has rung, too

    def _finished(self) -> Iterator[Contact]:
        """What is left of the files that don't grow any more, and lets go of them."""
        first = self._growing[0][0]
        for day in sorted({*self._days, *self._at}):
            if day < first:
                yield from self._rest(day, str(self._path_of(day)))
                if day in self._at:
                    self._at.pop(day)[0].close()
        self._days.clear()

    def close(self) -> None:
        """Let go of the files."""
        for file, _ in self._at.values():
            file.close()
        self._at.clear()

    def _rest(self, day: date, path: str) -> Iterator[Contact]:
        if day not in self._at:
            if not os.path.exists(path):  # noqa: PTH110 - of each request, and a Path is slow
                return
            self._at[day] = (Path(path).open("rb", buffering=0), 0)
        file, begin = self._at[day]
        end = os.fstat(file.fileno()).st_size
        end -= end % _RECORD.size
        while begin < end:
            part = os.pread(file.fileno(), min(end - begin, _READ_BYTES), begin)
            begin += len(part)
            self._at[day] = (file, begin)
            for user_id, movie_id, time_us, said in _RECORD.iter_unpack(part):
                yield Contact(
                    user_id, movie_id, time_us, bool(said & _LIKED), bool(said & _DISLIKED)
                )


def _day_of(path: Path) -> date | None:
    """The day of a journal's file; None for any other file."""
    prefix, _, suffix = _NAME.partition("{}")
    with suppress(ValueError):
        return date.fromisoformat(path.name.removeprefix(prefix).removesuffix(suffix))
    return None
