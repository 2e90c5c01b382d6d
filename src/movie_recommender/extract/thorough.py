"""The thorough way to judge messages: every way to break a contract, each with its reason."""

from datetime import datetime

import duckdb
import pyarrow as pa

from movie_recommender.events import Contract
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES, checks, typed_value

_STRING = r'"(?:[^"\\]|\\.)*"'
# DuckDB's JSON parser also takes NaN, Infinity and trailing commas. What may hold one of them
# (titles do: "Finding Nan, a life") is looked at again with its strings emptied.
_MAYBE_LENIENT = r"(?i)(?:^|[:,\[\s-])(?:nan|inf|infinity)\s*(?:$|[,\]}])|,\s*[\]}]"
_LENIENT = r"(?i)nan|inf|,\s*[\]}]"


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
        the fields that the contract doesn't know, integers of any size, fractions as doubles); of a
        broken one reason, detail, key and value.
    """
    connection.register("messages", messages)
    return connection.sql(_judge_sql(contract, latest)).to_arrow_table()


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
    lenient = f"""regexp_matches(regexp_replace(text, '{_STRING}', '""', 'g'), '{_LENIENT}')"""
    nothing = "{" + ", ".join(f'"{name}": null' for name in names) + "}"
    return f"""
        WITH decoded AS (
            SELECT *, CASE WHEN octet_length(value) <= {MAX_VALUE_BYTES}
                           THEN TRY(decode(value)) END AS text
            FROM messages),
        parsed AS (
            SELECT *, CASE WHEN NOT coalesce(json_valid(text), false) THEN false
                           WHEN regexp_matches(text, '{_MAYBE_LENIENT}') THEN NOT {lenient}
                           ELSE true END AS is_json,
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
               CASE WHEN failed IS NULL AND has_extra THEN
                   nullif(json_merge_patch(document, '{nothing}')::VARCHAR, '{{}}') END AS extra,
               {", ".join(f'v_{name} AS "{name}"' for name in names)}
        FROM checked
        ORDER BY kafka_partition, kafka_offset
        """
