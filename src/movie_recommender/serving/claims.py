"""Which body each idempotency key stands for, so that one key is never two events.

A key that comes again with another body is a client's mistake: counted once by its id, the second
event would be lost without a word. This machine's workers share one SQLite file, and the first who
writes a key has claimed it; it outlives a restart.
"""

import logging
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

from movie_recommender.serving.shared_file import open_shared

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)
"""So long a client may try again."""

_TABLE = """
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, body BLOB NOT NULL, at_us INTEGER NOT NULL)
WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claims_at ON claims (at_us);
"""


class Claims:
    """The claims in one file; for one thread.

    Args:
        path: is made if it isn't there; a damaged one is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_shared(path, _TABLE)

    def holds(self, key: str, body: bytes, *, now: datetime) -> bool:
        """Whether `key` stands for `body`: from now on, if it stood for nothing.

        True, too, where the file can't be written: the event's id still makes it count once.
        """
        at_us = int(now.timestamp() * 1e6)
        until_us = at_us - int(KEPT.total_seconds() * 1e6)
        try:
            with self._connection as claims:
                claims.execute("BEGIN IMMEDIATE")
                claims.execute("DELETE FROM claims WHERE at_us < ?", [until_us])
                claims.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", [key, body, at_us])
                found = claims.execute("SELECT body FROM claims WHERE key = ?", [key]).fetchone()
        except sqlite3.Error as error:
            logger.warning("an idempotency key wasn't kept: %s", error)
            return True
        return bool(found[0] == body)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
