"""The quick way to judge messages: what keeps its contract is proved and read in two passes.

A regular expression made from the contract proves that a message is a flat JSON object of the
contract's fields, each with a value of its type: strict JSON, valid UTF-8, nothing escaped, nothing
unknown. Only of such a message one lenient parse tells the truth. What is not proved, though it may
well be valid, is left to the thorough way; so the two can differ in speed alone.
"""

import functools
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.events import INSTANT, Contract, Field
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES
from movie_recommender.extract.divide import divide

# Well-formed UTF-8 of two to four bytes (Unicode 17, table 3-7); the expression sees bytes.
_MULTIBYTE = (
    r"[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    r"|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}"
    r"|\xF4[\x80-\x8F][\x80-\xBF]{2}"
)
_STRING = rf'"(?:[ !#-\[\]-\x7F]|{_MULTIBYTE})*"'
# At most 18 digits: always a 64-bit integer.
_INTEGER = r"(?:0|[1-9]\d{0,17})"
_NUMBER = rf"{_INTEGER}(?:\.\d{{1,17}})?"
_INSTANT = r'"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"'
# The year 0, that Python lacks, is left to the thorough way.
_DATE = r'"[1-9]\d{3}-\d\d-\d\d"'
_STRINGS = rf"\[(?:{_STRING}(?:, ?{_STRING})*)?\]"


def pattern(contract: Contract) -> str:
    """Regular expression (RE2, over bytes) of the messages that the quick way may read."""
    by_form: dict[str, list[str]] = {}
    for field in contract.fields:
        by_form.setdefault(_form(field), []).append(field.name)
    members = "|".join(
        f'"(?:{"|".join(names)})": ?(?:{form}|null)' for form, names in by_form.items()
    )
    return rf"^\{{(?:{members})(?:, ?(?:{members}))*\}}$"


def quick(
    connection: duckdb.DuckDBPyConnection, messages: pa.Table, contract: Contract, latest: datetime
) -> tuple[pa.Table, pa.Table]:
    """Read the messages that are proved to keep `contract`.

    Args:
        connection: with time zone UTC.
        messages: columns of `validate.MESSAGES`.
        contract: of their topic.
        latest: the newest event time that is still believed (UTC).

    Returns:
        The contract's fields with kafka_partition and kafka_offset, one row per message that was
        proved; and the other messages, of which nothing is known.
    """
    formed = pc.match_substring_regex(messages["value"], pattern(contract))
    fits = pc.less_equal(pc.binary_length(messages["value"]), MAX_VALUE_BYTES)
    candidates, others = divide(messages, pc.and_(formed, fits))
    texts = candidates.set_column(3, "value", candidates["value"].cast(pa.string()))
    connection.register("quick_messages", texts)
    read = connection.sql(_read_sql(contract)).to_arrow_table()
    kept = _kept(read, contract, latest)
    proved, _ = divide(read, kept)
    _, broken = divide(candidates, kept)
    return proved.drop_columns("is_dated"), pa.concat_tables([others, broken])


def _form(field: Field) -> str:
    if field.type == INSTANT:
        return _INSTANT
    if pa.types.is_date(field.type):
        return _DATE
    if pa.types.is_integer(field.type):
        return _INTEGER
    if pa.types.is_floating(field.type):
        return _NUMBER
    return _STRINGS if pa.types.is_list(field.type) else _STRING


def _read_sql(contract: Contract) -> str:
    structure = ", ".join(f'"{field.name}": {_parsed_as(field)}' for field in contract.fields)
    # A field may be called like a word of SQL: `cast` is.
    values = ", ".join(f'{_value(field)} AS "{field.name}"' for field in contract.fields)
    dated = " AND ".join(
        f'(raw."{field.name}" IS NULL OR "{field.name}" IS NOT NULL)'
        for field in contract.fields
        if pa.types.is_temporal(field.type)
    )
    return f"""
        WITH parsed AS (
            SELECT kafka_partition, kafka_offset, from_json(value, '{{{structure}}}') AS raw
            FROM quick_messages),
        typed AS (SELECT kafka_partition, kafka_offset, raw, {values} FROM parsed)
        SELECT * EXCLUDE (raw), {dated} AS is_dated FROM typed
        """


def _parsed_as(field: Field) -> str:
    if pa.types.is_integer(field.type):
        return '"BIGINT"'  # whatever its width: a value out of range must not turn into null
    if pa.types.is_floating(field.type):
        return '"DOUBLE"'
    if pa.types.is_list(field.type):
        return '["VARCHAR"]'
    return '"VARCHAR"'


def _value(field: Field) -> str:
    raw = f'raw."{field.name}"'
    if field.type == INSTANT:
        return f"TRY_CAST({raw} AS TIMESTAMPTZ)"
    if pa.types.is_date(field.type):
        return f"TRY_CAST({raw} AS DATE)"
    return raw


def _kept(read: pa.Table, contract: Contract, latest: datetime) -> pa.ChunkedArray:
    """Whether every value is within the contract; of several columns at once, Arrow is faster."""
    conditions = [read["is_dated"], pc.less_equal(read["event_time"], latest)]
    for field in contract.fields:
        if field.required:
            conditions.append(pc.is_valid(read[field.name]))
        conditions += _within(field, read[field.name])
    types = pa.array(contract.event_types)
    event_type = pc.index_in(read["event_type"], types)
    conditions.append(pc.is_valid(event_type))
    for name in {name for names in contract.event_types.values() for name in names}:
        optional = pa.array(name not in names for names in contract.event_types.values())
        conditions.append(pc.or_(pc.is_valid(read[name]), optional.take(event_type)))
    # What is null says nothing against the message.
    return pc.fill_null(functools.reduce(pc.and_kleene, conditions), True)


def _within(field: Field, values: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    lowest, highest = field.minimum, field.maximum
    if field.type == INSTANT:
        values, lowest = values.cast(pa.int64()), 0
    elif field.max_length is not None:
        is_list = pa.types.is_list(field.type)
        values = pc.list_value_length(values) if is_list else pc.utf8_length(values)
        lowest, highest = int(field.required), field.max_length
    within = []
    if lowest is not None:
        within.append(pc.greater_equal(values, lowest))
    if highest is not None:
        within.append(pc.less_equal(values, highest))
    return within
