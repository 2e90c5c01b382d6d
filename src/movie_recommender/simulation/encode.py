"""Events as Kafka messages: JSON bytes, written by DuckDB a column at a time."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from movie_recommender import events
from movie_recommender.events import Contract

_INSTANT_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Messages:
    """Keys and values of a topic's messages in the order of sending; text is sent as UTF-8."""

    topic: str
    keys: list[str]
    values: list[str | bytes]

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
    with duckdb.connect(config={"threads": 1}) as connection:
        # Naive UTC: DuckDB would need an extension to write out an instant with a zone.
        connection.register("rows", _without_zone(table))
        result = connection.sql(query).to_arrow_table()
    return Messages(topic, result["key"].to_pylist(), result["value"].to_pylist())


def _document(contract: Contract, table: pa.Table) -> str:
    """SQL for a row's JSON: the required fields, then each optional one that isn't null."""
    required = [field.name for field in contract.fields if field.required]
    pieces = ["'{' || " + " || ',' || ".join(_member(name) for name in required)]
    for name in table.column_names:
        if name in required:
            continue
        piece = f"',' || {_member(name)}"
        if table[name].null_count:
            piece = f"CASE WHEN \"{name}\" IS NULL THEN '' ELSE {piece} END"
        pieces.append(piece)
    return " || ".join([*pieces, "'}'"])


def _member(name: str) -> str:
    value = f"strftime({name}, '{_INSTANT_FORM}')" if name == "event_time" else f'"{name}"'
    return f"""'"{name}":' || to_json({value})::VARCHAR"""


def _without_zone(table: pa.Table) -> pa.Table:
    position = table.column_names.index("event_time")
    naive = table["event_time"].cast(pa.timestamp("us"))
    return table.set_column(position, "event_time", naive)
