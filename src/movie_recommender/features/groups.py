"""The feature groups: SQL files with a declared header, in the order in which they run.

A file is one SELECT. It reads what is new in the lake (`users`, `movies`, `interactions`), the
groups before it, and in `store` what earlier builds have left there. Parameters:

- `$as_of`: only events before this instant count; `$last_day`: the last UTC day that can hold one;
- `$on_time_until`: what arrived up to then counts as arrived in time;
- `$decayed_to`: the instant to which the entities' decaying sums are brought; `$decay_moved`:
  whether that halves taste again, compared with the last build;
- `$part` of `$n_parts`: of the users, by the remainder of their ids.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ORDER = (
    "arrivals",
    "movie_upserts",
    "user_upserts",
    "pairs",
    "user_days",
    "genres",
    "movie_versions",
    "user_versions",
    "user_states",
    "movie_days",
    "priors",
    "movie_states",
    "taste_days",
    "taste_states",
    "movie_moments",
    "pair_moments",
    "genre_matches",
    "training_frame",
    "touched_users",
    "user_features",
    "movie_features",
)

READ_THE_LAKE = ORDER[:3]
TELL_WHAT_IS_NEW = ORDER[:5]
"""They leave the store as it is."""
IN_PARTS = ("pair_moments", "genre_matches", "training_frame")
"""Run for one part of the users after the other, so that memory holds what they sort."""

TABLES = "tables"
"""The file that makes the tables of a new store."""

HEADER = ("kind", "entity", "grain", "keys", "time column", "window", "description", "owner")
"""Fields that the header of every file declares, in this order; then `column NAME` for features."""

VIEW = "view"
"""Kind: read anew by whoever asks it."""
STEP = "step"
"""Kind: made from what is new, gone after the build."""
STATE = "state"
"""Kind: its rows are added to those of earlier builds."""
FRAME = "frame"
"""Kind: as a state, and a row takes the place of an earlier one of its keys."""
ENTITY = "entity"
"""Kind: made anew by each build, from the states."""

_FIELD = re.compile(r"-- ([a-z][a-z_0-9 ]*): (.*)")


@dataclass(frozen=True)
class FeatureGroup:
    """One SQL file: its name, its declared header, its columns' descriptions and its text."""

    name: str
    header: Mapping[str, str]
    columns: Mapping[str, str]
    sql: str

    @property
    def kind(self) -> str:
        """`VIEW`, `STEP`, `STATE`, `FRAME` or `ENTITY`."""
        return self.header["kind"]


@cache
def load_groups() -> tuple[FeatureGroup, ...]:
    """All feature groups, in running order."""
    return tuple(_group(name, read_sql(name)) for name in ORDER)


@cache
def read_sql(name: str) -> str:
    """The text of `sql/NAME.sql`."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def sql_hash() -> str:
    """SHA-256 (hex) over the names and texts of all files: changes with any feature's meaning."""
    digest = hashlib.sha256()
    for name in (TABLES, *ORDER):
        digest.update(f"{name}\n{read_sql(name)}\0".encode())
    return digest.hexdigest()


def _group(name: str, text: str) -> FeatureGroup:
    fields: dict[str, str] = {}
    field = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if match := _FIELD.fullmatch(line):
            field = match[1]
            fields[field] = match[2]
        else:
            fields[field] += f" {line.removeprefix('--').strip()}"
    header = {key: value for key, value in fields.items() if not key.startswith("column ")}
    columns = {
        key.removeprefix("column "): value
        for key, value in fields.items()
        if key.startswith("column ")
    }
    return FeatureGroup(name, header, columns, text)
