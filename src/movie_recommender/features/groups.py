"""The feature groups: SQL files with a declared header, in the order in which they run.

A file is one SELECT. It reads the lake (`users`, `movies`, `interactions`) and the groups before
it, and knows two parameters: `$as_of` (instant; only events before it count) and `$last_day` (the
last UTC day that can hold such an event, for the lake's partitions).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ORDER = (
    "contacts",
    "examples",
    "user_history",
    "movie_history",
    "rating_prior",
    "movie_versions",
    "genre_match",
    "training_frame",
    "user_features",
    "movie_features",
)

HEADER = (
    "published",
    "entity",
    "grain",
    "keys",
    "time column",
    "window",
    "point in time",
    "description",
    "owner",
)
"""Fields that the header of every file declares, in this order."""

_FIELD = re.compile(r"-- ([a-z][a-z ]*): (.*)")


@dataclass(frozen=True)
class FeatureGroup:
    """One SQL file: its name, its declared header and its text."""

    name: str
    header: Mapping[str, str]
    sql: str

    @property
    def published(self) -> bool:
        """Whether the table goes into the store; otherwise it lives as long as the build."""
        return self.header["published"] == "yes"


@cache
def load_groups() -> tuple[FeatureGroup, ...]:
    """All feature groups, in running order."""
    folder = files(__package__) / "sql"
    texts = {name: (folder / f"{name}.sql").read_text(encoding="utf-8") for name in ORDER}
    return tuple(FeatureGroup(name, _header(text), text) for name, text in texts.items())


@cache
def sql_hash() -> str:
    """SHA-256 (hex) over the names and texts of all groups: changes with any feature's meaning."""
    digest = hashlib.sha256()
    for group in load_groups():
        digest.update(f"{group.name}\n{group.sql}\0".encode())
    return digest.hexdigest()


def _header(text: str) -> dict[str, str]:
    header: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if match := _FIELD.fullmatch(line):
            name = match[1]
            header[name] = match[2]
        else:
            header[name] += f" {line.removeprefix('--').strip()}"
    return header
