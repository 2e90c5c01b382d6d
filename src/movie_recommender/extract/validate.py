"""Messages to rows and dead letters, a column at a time: pure, DuckDB in memory does the work."""

import json
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender import events
from movie_recommender.events import Contract
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES, checks, typed_value

MESSAGES = pa.schema(
    [
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)
"""Messages of one topic as they came."""

# DuckDB's JSON parser also takes NaN, Infinity and trailing commas. What may hold one of them
# (titles do: "Nan, a life") is looked at again by a strict parser.
_MAYBE_NOT_STRICT = r"(?i)[:,\[\s-](nan|inf|infinity)\s*[,\]}]|,\s*[\]}]"


@dataclass(frozen=True)
class Validated:
    """A batch, divided.

    `rows` has the columns of `events.lake_schema`, `rejected` those of `events.DEAD_LETTERS`;
    each message is in exactly one; both are sorted by partition and offset.
    """

    rows: pa.Table
    rejected: pa.Table


def validate(
    messages: pa.Table, contract: Contract, *, kafka_topic: str, now: datetime
) -> Validated:
    """Divide a batch of messages into rows for the lake and dead letters with a reason.

    An instant needs a zone; an integer is a JSON integer of 64 bits; null counts as absent; of a
    repeated JSON key the first counts. Fields that the contract doesn't know land in `extra`.

    Args:
        messages: columns of `MESSAGES`, all of one topic.
        contract: of that topic.
        kafka_topic: the broker's name of the topic.
        now: instant of ingestion (UTC); events later than `now + events.MAX_FUTURE` are rejected.
    """
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        decoded = _decode(connection, messages)
        connection.register("decoded", decoded)
        judged = connection.sql(_judge_sql(contract, now)).to_arrow_table()
    stamps = {"kafka_topic": kafka_topic, "ingestion_time": now}
    broken = pc.is_valid(judged["reason"])
    return Validated(
        rows=_conform(judged.filter(pc.invert(broken)), events.lake_schema(contract.topic), stamps),
        rejected=_conform(judged.filter(broken), events.DEAD_LETTERS, stamps),
    )


def _decode(connection: duckdb.DuckDBPyConnection, messages: pa.Table) -> pa.Table:
    """`messages` with `text` and `is_strict`; in any order, as DuckDB's threads finish."""
    connection.register("messages", messages)
    decoded = connection.sql(
        f"""
        WITH texts AS (
            SELECT *, CASE WHEN octet_length(value) <= {MAX_VALUE_BYTES}
                           THEN TRY(decode(value)) END AS text
            FROM messages)
        SELECT *, coalesce(regexp_matches(text, '{_MAYBE_NOT_STRICT}'), false) AS is_doubtful
        FROM texts
        """
    ).to_arrow_table()
    strict = np.ones(decoded.num_rows, dtype=bool)
    for row in np.flatnonzero(decoded["is_doubtful"].to_numpy()):
        strict[row] = _is_strict_json(decoded["text"][int(row)].as_py())
    return decoded.append_column("is_strict", pa.array(strict))


def _is_strict_json(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        # Numbers stay text: nothing is gained from converting them, and a huge one would raise.
        json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _judge_sql(contract: Contract, now: datetime) -> str:
    """One row per message: typed fields, `extra`, and `reason` and `detail` where it is broken."""
    names = [field.name for field in contract.fields]
    paths = "[" + ", ".join(f"'$.{name}'" for name in names) + "]"
    parts = ", ".join(
        f"types[{i}] AS t_{name}, texts[{i}] AS x_{name}" for i, name in enumerate(names, start=1)
    )
    values = ", ".join(f"{typed_value(field)} AS v_{field.name}" for field in contract.fields)
    ways = checks(contract, now + events.MAX_FUTURE)
    broken = " ".join(f"WHEN {way.broken} THEN {i}" for i, way in enumerate(ways))
    reason = " ".join(f"WHEN {i} THEN '{way.reason}'" for i, way in enumerate(ways))
    detail = " ".join(f"WHEN {i} THEN {way.detail}" for i, way in enumerate(ways))
    nothing = "{" + ", ".join(f'"{name}": null' for name in names) + "}"
    return f"""
        WITH parsed AS (
            SELECT *, coalesce(is_strict AND json_valid(text), false) AS is_json,
                   CASE WHEN is_json AND json_type(text) = 'OBJECT' THEN text END AS document
            FROM decoded),
        listed AS (
            SELECT *, json_type(document, {paths}) AS types,
                   json_extract_string(document, {paths}) AS texts,
                   len(json_keys(document)) AS n_keys
            FROM parsed),
        fields AS (SELECT *, {parts}, list_count(types) < n_keys AS has_extra FROM listed),
        typed AS (SELECT *, {values} FROM fields),
        checked AS (SELECT *, CASE {broken} END AS failed FROM typed)
        SELECT kafka_partition, kafka_offset, CASE failed {reason} END AS reason,
               CASE failed {detail} END AS detail,
               CASE WHEN failed IS NOT NULL THEN key END AS key,
               CASE WHEN failed IS NOT NULL THEN value END AS value,
               CASE WHEN has_extra THEN
                   nullif(json_merge_patch(document, '{nothing}')::VARCHAR, '{{}}') END AS extra,
               {", ".join(f"v_{name} AS {name}" for name in names)}
        FROM checked
        ORDER BY kafka_partition, kafka_offset
        """


def _conform(judged: pa.Table, schema: pa.Schema, stamps: dict[str, object]) -> pa.Table:
    """`judged` with the columns of `schema`; dates follow from the instants of the same name."""
    columns = []
    for field in schema:
        if field.name in stamps:
            value = pa.scalar(stamps[field.name], field.type)
            columns.append(pa.repeat(value, judged.num_rows))
        elif field.name == "ingestion_date":
            value = pa.scalar(stamps["ingestion_time"], events.INSTANT)
            columns.append(pa.repeat(value, judged.num_rows).cast(field.type))
        elif field.name == "event_date":
            columns.append(judged["event_time"].cast(field.type))
        else:
            columns.append(judged[field.name].cast(field.type))
    return pa.table(columns, schema=schema)
