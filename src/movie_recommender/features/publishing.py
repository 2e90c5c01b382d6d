"""The only place that touches the published file: one builder at a time, one atomic rename."""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from movie_recommender.errors import ConcurrentWriteError, ConfigurationError, StorageError
from movie_recommender.features.inspection import Inspection
from movie_recommender.features.snapshots import Snapshot

logger = logging.getLogger(__name__)

NO_ROOM = (
    OSError,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    # What can't be written to the log fails as a transaction.
    duckdb.TransactionException,
)
"""What writing a store's file raises where the disk or the memory refuses."""

_MISPLACED = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""Errors that another FEATURE_STORE_PATH, or another owner of it, cures; no retry does."""


@contextmanager
def build_directory(path: Path) -> Iterator[Path]:
    """An empty directory beside `path`, for whoever builds the file that will be published there.

    Holds a lock (`.NAME.lock`, freed by the kernel when the process ends), so that there is one
    builder at a time and whatever earlier builds left behind is certainly dead: it is removed.

    Raises:
        ConfigurationError: there can't be a file at `path`, or this user may not write there.
        ConcurrentWriteError: another process builds this file right now.
        StorageError: the disk refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
        lock = (path.parent / f".{path.name}.lock").open("a")
    except OSError as error:
        raise explain(error, path) from error
    with lock:
        _lock(lock.fileno(), path)
        prefix = f".{path.name}.build-"
        _remove_dead_builds(path.parent, prefix)
        try:
            directory = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
        except OSError as error:
            raise explain(error, path) from error
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def publish(built: Path, path: Path) -> None:
    """Make the finished file `built` the one at `path`, at once and lasting a power cut.

    Raises:
        ConfigurationError, StorageError: refused; the file at `path` is still the old one.
    """
    try:
        _fsync(built)
        built.replace(path)
        _fsync(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def write_page(inspection: Inspection, snapshot: Snapshot, path: Path) -> None:
    """Put the report about a build at `path`, at once.

    Raises:
        ConfigurationError, StorageError: refused; an earlier report stays.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        inspection.write_page(snapshot, aside)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise explain(error, path) from error


def explain(error: OSError, path: Path) -> ConfigurationError | StorageError:
    """The error to raise when the operating system refused something that `path` needs."""
    what = f"FEATURE_STORE_PATH={path}: can't write there ({error.strerror}: {error.filename})"
    if error.errno in _MISPLACED:
        return ConfigurationError(
            f"{what}, expected a file in a directory that this user may write. "
            "Correct FEATURE_STORE_PATH or the directory's owner and run again."
        )
    return StorageError(
        f"{what}, expected room for a second copy of the store beside the published one, which "
        "stays in use as it was. Free space and run again."
    )


def is_damage(error: duckdb.Error) -> bool:
    """Whether a block of a store's file isn't what was written."""
    return "Corrupt database file" in str(error)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = (
            f"Another process is building the feature store {path} right now, expected one builder "
            "at a time. Wait for its end, then run again."
        )
        raise ConcurrentWriteError(message) from None


def _remove_dead_builds(parent: Path, prefix: str) -> None:
    for directory in parent.iterdir():
        if directory.name.startswith(prefix) and directory.is_dir():
            logger.warning("removing what a killed build left behind: %s", directory)
            shutil.rmtree(directory, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
