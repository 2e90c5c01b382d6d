"""The thorough way to judge messages: every way to break a contract, each with its reason."""

import json
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from movie_recommender.events import Contract
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES, checks, typed_value

# DuckDB's JSON parser also takes NaN, Infinity and trailing commas. What may hold one of them
# (titles do: "Nan, a life") is looked at again by a strict parser.
_MAYBE_NOT_STRICT = r"(?i)[:,\[\s-](nan|inf|infinity)\s*[,\]}]|,\s*[\]}]"


def judge(
    connection: duckdb.DuckDBPyConnection, messages: pa.Table, contract: Contract, latest: datetime
) -> pa.Table:
    """Typed fields of each message, or why it is none.

    Args:
        connection: with time zone UTC.
        messages: columns of `validate.MESSAGES`.
        contract: of their topic.
        latest: the newest event time that is still believed (UTC).

    Returns:
        One row per message: kafka_partition, kafka_offset, the contract's fields, extra (JSON of
        the fields that the contract doesn't know); of a broken one reason, detail, key and value.
    """
    connection.register("decoded", _decode(connection, messages))
    return connection.sql(_judge_sql(contract, latest)).to_arrow_table()


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


def _judge_sql(contract: Contract, latest: datetime) -> str:
    """One row per message: typed fields, `extra`, and `reason` and `detail` where it is broken."""
    names = [field.name for field in contract.fields]
    paths = "[" + ", ".join(f"'$.{name}'" for name in names) + "]"
    parts = ", ".join(
        f"types[{i}] AS t_{name}, texts[{i}] AS x_{name}" for i, name in enumerate(names, start=1)
    )
    values = ", ".join(f"{typed_value(field)} AS v_{field.name}" for field in contract.fields)
    ways = checks(contract, latest)
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
               {", ".join(f'v_{name} AS "{name}"' for name in names)}
        FROM checked
        ORDER BY kafka_partition, kafka_offset
        """
