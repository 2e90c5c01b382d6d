"""Events as Kafka messages: JSON bytes, written by DuckDB a column at a time."""

from dataclasses import dataclass
from functools import cache

import duckdb
import pyarrow as pa

from movie_recommender import events
from movie_recommender.events import Contract

_INSTANT_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Messages:
    """Keys and values of a topic's messages in the order of sending."""

    topic: str
    keys: list[bytes]
    values: list[bytes]

    def __len__(self) -> int:
        return len(self.values)


def encode(topic: str, table: pa.Table) -> Messages:
    """One JSON object per row of `table`, keyed by the topic's entity id.

    Args:
        topic: users, movies or interactions.
        table: the columns of the topic's contract; further ones are written as they are. Of the
            optional columns, a row gets those that are not null in it.
    """
    contract = events.CONTRACTS[topic]
    query = (
        f"SELECT {contract.key}::VARCHAR AS key, {_document(contract, table)} AS value FROM rows"
    )
    with _database().cursor() as connection:
        # Naive UTC: DuckDB would need an extension to write out an instant with a zone.
        connection.register("rows", _without_zone(table))
        result = connection.sql(query).to_arrow_table()
    keys, values = (result[name].cast(pa.binary()).to_pylist() for name in ("key", "value"))
    return Messages(topic, keys, values)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Opened once: it takes as long as thousands of rows."""
    return duckdb.connect(config={"threads": 1})


def _document(contract: Contract, table: pa.Table) -> str:
    """SQL for a row's JSON: the required fields, then each optional one that isn't null."""
    required = [field.name for field in contract.fields if field.required]
    optional = [name for name in table.column_names if name not in required]
    # What is joined with a null is null, and `concat` leaves it out; in one piece it takes a third
    # of the time of a chain of `||`.
    members = [
        _member(name, "," if number else "{") for number, name in enumerate(required + optional)
    ]
    return f"concat({', '.join(members)}, '}}')"


def _member(name: str, before: str) -> str:
    value = f"strftime({name}, '{_INSTANT_FORM}')" if name == "event_time" else f'"{name}"'
    return f"""'{before}"{name}":' || to_json({value})"""


def _without_zone(table: pa.Table) -> pa.Table:
    position = table.column_names.index("event_time")
    naive = table["event_time"].cast(pa.timestamp("us"))
    return table.set_column(position, "event_time", naive)
