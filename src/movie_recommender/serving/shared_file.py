"""A SQLite file that a machine's workers share: who comes first has made it, or makes it anew."""

import logging
import sqlite3
from pathlib import Path

logger = logging.getLogger(__name__)

_WAIT_S = 1.0


def open_shared(path: Path, tables: str) -> sqlite3.Connection:
    """The file, for one thread at a time; in autocommit.

    Args:
        path: is made if it isn't there; a damaged one is made anew.
        tables: SQL that makes them where they aren't there.

    Raises:
        sqlite3.OperationalError: it is busy, or there is no room.
    """
    try:
        return _open(path, tables)
    except sqlite3.OperationalError:  # others may have it open
        raise
    except sqlite3.DatabaseError as error:
        logger.warning("%s can't be read and is made anew: %s", path, error)
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _open(path, tables)


def _open(path: Path, tables: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(tables)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
