"""The feature groups for whoever reads about them: as data, and as the page `docs/features.md`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import duckdb

from movie_recommender.errors import ConfigurationError
from movie_recommender.features.catalogue_text import INTRODUCTION, PARTS
from movie_recommender.features.groups import TABLES, FeatureGroup, load_groups, read_sql
from movie_recommender.features.schemas import PUBLISHED

_TYPES = """
SELECT table_name, column_name, data_type
FROM duckdb_columns()
WHERE database_name = 'store'
ORDER BY table_name, column_index
"""
_SENTENCE = re.compile(r"(?<=\.)\s")


@dataclass(frozen=True)
class Entry:
    """A feature group in one line; `description` is the first sentence of its own."""

    name: str
    kind: str
    entity: str
    keys: str
    description: str


@dataclass(frozen=True)
class Column:
    """A column; `type` is Arrow's for what the reader hands out, else DuckDB's."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Description:
    """A feature group's declared header and its columns; steps and views declare no columns."""

    name: str
    kind: str
    entity: str
    grain: str
    keys: str
    time_column: str
    window: str
    description: str
    owner: str
    columns: list[Column]


def listing() -> list[Entry]:
    """All feature groups, those that the reader hands out first, the others in running order."""
    return [
        Entry(
            name=group.name,
            kind=group.kind,
            entity=group.header["entity"],
            keys=group.header["keys"],
            description=_SENTENCE.split(group.header["description"])[0],
        )
        for group in _published_first()
    ]


def describe(name: str) -> Description:
    """The feature group called `name`, whole.

    Raises:
        ConfigurationError: there is none; names those that there are.
    """
    for group in load_groups():
        if group.name == name:
            header = {key.replace(" ", "_"): value for key, value in group.header.items()}
            return Description(name=name, columns=_columns(group), **header)
    names = ", ".join(group.name for group in _published_first())
    message = f"There is no feature group {name!r}, expected one of: {names}."
    raise ConfigurationError(message)


def markdown() -> str:
    """The page: an introduction, then a section for each group with a table of its columns."""
    lines = [INTRODUCTION.strip()]
    for part in PARTS:
        lines += ["", f"## {part.title}", "", part.text.strip()]
        for group in _published_first():
            if group.kind in part.kinds:
                lines += ["", *_section(describe(group.name))]
    return "\n".join([*lines, ""])


def _published_first() -> list[FeatureGroup]:
    return sorted(load_groups(), key=lambda group: group.name not in PUBLISHED)


def _columns(group: FeatureGroup) -> list[Column]:
    types = dict(_stored_types().get(group.name, {}))
    types |= {field.name: str(field.type) for field in PUBLISHED.get(group.name, ())}
    return [Column(name, type_, group.columns.get(name, "")) for name, type_ in types.items()]


@cache
def _stored_types() -> Mapping[str, Mapping[str, str]]:
    """DuckDB's types by table and column, of the tables that a new store begins with."""
    types: dict[str, dict[str, str]] = {}
    with duckdb.connect(":memory:") as connection:
        connection.execute("ATTACH ':memory:' AS store")
        connection.execute(read_sql(TABLES))
        for table, column, type_ in connection.sql(_TYPES).fetchall():
            short = type_.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
            types.setdefault(table, {})[column] = short
    return types


def _section(group: Description) -> Iterator[str]:
    yield f"### {group.name}"
    yield ""
    yield _text(group.description)
    yield ""
    yield f"- One row: {group.grain.removeprefix('one row per ')}. Keys: {_code(group.keys)}."
    yield f"- Time: {group.time_column}. Window: {group.window}."
    yield f"- Kind: {group.kind}. Entity: {group.entity}. Owner: {group.owner}."
    if group.columns:
        described = any(column.description for column in group.columns)
        yield ""
        yield from _table(group.columns) if described else _list(group.columns)


def _table(columns: Iterable[Column]) -> Iterator[str]:
    yield "| Column | Type | Meaning |"
    yield "|---|---|---|"
    for column in columns:
        yield f"| `{column.name}` | `{column.type}` | {_text(column.description)} |"


def _list(columns: Iterable[Column]) -> Iterator[str]:
    yield f"Columns: {', '.join(f'`{column.name}` {column.type}' for column in columns)}."


def _code(keys: str) -> str:
    return ", ".join(f"`{key}`" for key in keys.split(", ")) if "_" in keys else keys


def _text(plain: str) -> str:
    """As Markdown shows it, also in a table."""
    return plain.replace("<", "&lt;").replace("|", "\\|")
