"""Lists that were ranked twice and the likes found in them, shared by a machine's workers.

A user's lists come from any worker, and every worker reads his likes. So the lists lie in one
SQLite file, and of all who find a list for a like there, the first has counted it. It outlives a
restart, so that a journal that is read again counts nothing again.
"""

import json
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from movie_recommender.serving.journal import Contact
from movie_recommender.serving.shared_file import open_shared

logger = logging.getLogger(__name__)

MAX_PAIRS = 4_000
"""Newest pairs of lists that are kept; some 4 MB."""

Where = Literal["both", "production", "shadow", "neither"]

_TABLES = """
CREATE TABLE IF NOT EXISTS pairs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    shown_us INTEGER NOT NULL,
    versions TEXT NOT NULL,
    production TEXT NOT NULL,
    shadow TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS pairs_of ON pairs (user_id, shown_us);
CREATE TABLE IF NOT EXISTS likes (
    pair INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    movie_id INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    UNIQUE (pair, movie_id),
    UNIQUE (user_id, movie_id, time_us)
);
"""
_NEWEST = """
SELECT id, shown_us, versions, production, shadow
FROM pairs
WHERE user_id = ? AND shown_us <= ?
ORDER BY shown_us DESC, id DESC
LIMIT 1
"""


@dataclass(frozen=True)
class Pair:
    """Two lists for the same request.

    Attributes:
        user_id: whose.
        shown_us: when production's was shown, in microseconds since 1970.
        versions: production's and the shadow's.
        production: movies of the list that was shown.
        shadow: movies of the other one.
    """

    user_id: int
    shown_us: int
    versions: tuple[str, str]
    production: frozenset[int]
    shadow: frozenset[int]

    @property
    def agreement(self) -> float:
        """Share of production's movies that the shadow has, too; 1 where both have none."""
        if not self.production:
            return 1.0
        return len(self.production & self.shadow) / len(self.production)

    def where(self, movie_id: int) -> Where:
        """Whose list has the movie."""
        ours, other = movie_id in self.production, movie_id in self.shadow
        if ours and other:
            return "both"
        return "production" if ours else "shadow" if other else "neither"


class ShadowLists:
    """The pairs in one file; for one thread at a time.

    What the file refuses is logged and left out: it is about a figure, not about an answer.

    Args:
        path: is made if it isn't there; a damaged one is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_shared(path, _TABLES)

    def add(self, pair: Pair) -> None:
        """Keep a pair; the oldest gives way to it."""
        versions = json.dumps(pair.versions)
        lists = [json.dumps(sorted(movies)) for movies in (pair.production, pair.shadow)]
        try:
            with self._connection as file:
                file.execute("BEGIN IMMEDIATE")
                added = file.execute(
                    "INSERT INTO pairs (user_id, shown_us, versions, production, shadow) "
                    "VALUES (?, ?, ?, ?, ?)",
                    [pair.user_id, pair.shown_us, versions, *lists],
                )
                oldest = (added.lastrowid or 0) - MAX_PAIRS
                file.execute("DELETE FROM pairs WHERE id <= ?", [oldest])
                file.execute("DELETE FROM likes WHERE pair <= ?", [oldest])
        except sqlite3.Error as error:
            logger.warning("a pair of lists wasn't kept: %s", error)

    def claim(self, like: Contact) -> Pair | None:
        """The newest pair from before the like, as far as pairs are known, for whoever asks first.

        None where there is none yet, for all who ask again about the same like, and where another
        like of the movie was found in the pair.
        """
        try:
            found = self._connection.execute(_NEWEST, [like.user_id, like.time_us]).fetchone()
            if found is None:
                return None
            number, shown_us, versions, *lists = found
            claimed = self._connection.execute(
                "INSERT OR IGNORE INTO likes VALUES (?, ?, ?, ?)",
                [number, like.user_id, like.movie_id, like.time_us],
            )
        except sqlite3.Error as error:
            logger.warning("a like wasn't looked for in the lists: %s", error)
            return None
        if not claimed.rowcount:
            return None
        production, shadow = (frozenset(json.loads(movies)) for movies in lists)
        return Pair(like.user_id, shown_us, tuple(json.loads(versions)), production, shadow)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
