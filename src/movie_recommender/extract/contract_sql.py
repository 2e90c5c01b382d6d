"""A topic's contract as SQL: how to read each field from JSON, and every way to break the contract.

The SQL runs over one row per message with these columns: `value` (the bytes), `text` (the value
decoded, null when too large or not UTF-8), `is_json`, `document` (the text when it is a JSON
object), and of the i-th field `t_NAME` (its JSON type, null when absent), `x_NAME` (its text) and
`v_NAME` (its typed value, null when it hasn't the right type). Field names come from
`events.CONTRACTS`, never from a message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from movie_recommender import events
from movie_recommender.events import INSTANT, Contract, Field

MAX_VALUE_BYTES = 1 << 20
"""A longer message is a dead letter; Kafka's own default limit is as much."""

_INTEGERS = "('UBIGINT', 'BIGINT')"
_NUMBERS = "('UBIGINT', 'BIGINT', 'DOUBLE')"
# DuckDB accepts more than we promise, a missing zone above all.
_DATE_FORM = r"\d{4}-\d\d-\d\d"
_INSTANT_FORM = (
    r"\d{4}-\d\d-\d\d[T ](([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?|24:00:00(\.0{1,9})?)"
    r"(Z|[+-](0\d|1[0-4]):?[0-5]\d)"
)


@dataclass(frozen=True)
class Check:
    """One way to break a contract.

    `broken` is an SQL condition (null counts as kept), `detail` an SQL string expression.
    """

    broken: str
    reason: str
    detail: str


def typed_value(field: Field) -> str:
    """SQL for the field's typed value; null when absent, null or of another JSON type."""
    kind, text = f"t_{field.name}", f"x_{field.name}"
    if field.type == INSTANT:
        form = f"{kind} = 'VARCHAR' AND regexp_full_match({text}, '{_INSTANT_FORM}')"
        return f"CASE WHEN {form} THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    if pa.types.is_date(field.type):
        form = f"{kind} = 'VARCHAR' AND regexp_full_match({text}, '{_DATE_FORM}')"
        return f"CASE WHEN {form} THEN TRY_CAST({text} AS DATE) END"
    if pa.types.is_integer(field.type):
        return f"CASE WHEN {kind} IN {_INTEGERS} THEN TRY_CAST({text} AS BIGINT) END"
    if pa.types.is_floating(field.type):
        return f"CASE WHEN {kind} IN {_NUMBERS} THEN TRY_CAST({text} AS DOUBLE) END"
    if pa.types.is_list(field.type):
        kinds = f"list_distinct(json_type({text}, '$[*]'))"
        strings = f"CASE WHEN {kind} = 'ARRAY' THEN {kinds} IN ([], ['VARCHAR']) END"
        return f"CASE WHEN {strings} THEN from_json({text}, '[\"VARCHAR\"]') END"
    return f"CASE WHEN {kind} = 'VARCHAR' THEN {text} END"


def checks(contract: Contract, latest: datetime) -> tuple[Check, ...]:
    """Every way to break `contract`, in the order in which they are reported.

    Args:
        contract: of the topic.
        latest: the newest event time that is still believed (UTC).
    """
    fields = {field.name: field for field in contract.fields}
    first = [fields.pop("schema_version"), fields.pop("event_type")]
    return (
        *_message_checks(),
        *_schema_version_checks(first[0]),
        *_event_type_checks(first[1], contract),
        *(check for field in fields.values() for check in _field_checks(field)),
        *_required_by_type(contract),
        Check(
            f"v_event_time > TIMESTAMPTZ '{latest.isoformat()}'",
            "event_time_in_future",
            _says("event_time", f"later than {latest.isoformat()}: the sender''s clock is wrong"),
        ),
    )


def _message_checks() -> Iterator[Check]:
    yield Check("value IS NULL", "null_value", "'the message has no value (a tombstone)'")
    yield Check(
        f"octet_length(value) > {MAX_VALUE_BYTES}",
        "too_large",
        f"'the message has ' || octet_length(value) || ' bytes, at most {MAX_VALUE_BYTES}'",
    )
    yield Check("text IS NULL", "invalid_utf8", "'the message is not UTF-8'")
    yield Check("NOT is_json", "invalid_json", "'not JSON: ' || to_json(left(text, 80))")
    yield Check(
        "document IS NULL",
        "not_an_object",
        "'expected a JSON object, got ' || to_json(left(text, 80))",
    )


def _schema_version_checks(field: Field) -> Iterator[Check]:
    yield from _presence_and_type(field)
    yield Check(
        # Present and an integer, so that one without a value is too large for its type.
        f"coalesce(v_schema_version NOT BETWEEN 1 AND {events.SCHEMA_VERSION}, true)",
        "unsupported_schema_version",
        _says("schema_version", f"expected 1 to {events.SCHEMA_VERSION}"),
    )


def _event_type_checks(field: Field, contract: Contract) -> Iterator[Check]:
    yield from _presence_and_type(field)
    known = ", ".join(f"'{name}'" for name in contract.event_types)
    yield Check(
        f"v_event_type NOT IN ({known})",
        "unknown_event_type",
        _says("event_type", "expected one of " + ", ".join(contract.event_types)),
    )


def _field_checks(field: Field) -> Iterator[Check]:
    yield from _presence_and_type(field)
    value = f"v_{field.name}"
    if field.type == INSTANT:
        yield Check(
            f"{value} < TIMESTAMPTZ '1970-01-01T00:00:00+00:00'",
            "out_of_range",
            _says(field.name, "before 1970"),
        )
    elif pa.types.is_date(field.type):
        # DuckDB and Arrow know a year 0; Python, which reads the lake, doesn't.
        yield Check(
            f"{value} < DATE '{date.min}'", "out_of_range", _says(field.name, "before the year 1")
        )
    elif field.max_length is not None:
        # An empty id would make one event of all that carry it.
        least = int(field.required)
        yield Check(
            f"len({value}) NOT BETWEEN {least} AND {field.max_length}",
            "out_of_range",
            f"'{field.name} has length ' || len({value}) || "
            f"', expected {least} to {field.max_length}'",
        )
    elif field.minimum is not None or field.maximum is not None:
        lowest, highest = bounds(field)
        yield Check(
            # A number too large for its type has no value.
            f"{_is_present(field)} AND coalesce({value} NOT BETWEEN {lowest} AND {highest}, true)",
            "out_of_range",
            _says(field.name, f"expected {lowest} to {highest}"),
        )


def _required_by_type(contract: Contract) -> Iterator[Check]:
    fields = {field.name: field for field in contract.fields}
    for event_type, names in contract.event_types.items():
        for name in names:
            yield Check(
                f"v_event_type = '{event_type}' AND NOT {_is_present(fields[name])}",
                "missing_field",
                f"'{name} is missing, a {event_type} event needs it'",
            )


def _presence_and_type(field: Field) -> Iterator[Check]:
    if field.required:
        yield Check(
            f"NOT {_is_present(field)}", "missing_field", f"'{field.name} is missing or null'"
        )
    broken, expected = _wrong_type(field)
    yield Check(
        f"{_is_present(field)} AND ({broken})",
        "wrong_type",
        _says(field.name, f"expected {expected}"),
    )


def _wrong_type(field: Field) -> tuple[str, str]:
    kind, value = f"t_{field.name}", f"v_{field.name}"
    if field.type == INSTANT:
        return f"{value} IS NULL", "an ISO 8601 time with zone, as in 2026-01-31T23:59:59.999Z"
    if pa.types.is_date(field.type):
        return f"{value} IS NULL", "a date, as in 2026-01-31"
    if pa.types.is_integer(field.type):
        return f"{kind} NOT IN {_INTEGERS}", "an integer"
    if pa.types.is_floating(field.type):
        return f"{kind} NOT IN {_NUMBERS}", "a number"
    if pa.types.is_list(field.type):
        return f"{value} IS NULL", "a list of strings"
    return f"{kind} <> 'VARCHAR'", "a string"


def _is_present(field: Field) -> str:
    return f"coalesce(t_{field.name} <> 'NULL', false)"


def bounds(field: Field) -> tuple[str, str]:
    """SQL for the least and the greatest value allowed."""
    lowest = float("-inf") if field.minimum is None else field.minimum
    highest = float("inf") if field.maximum is None else field.maximum
    if pa.types.is_integer(field.type):
        return str(int(lowest)), str(int(highest))
    return f"{lowest:g}", f"{highest:g}"


def _says(name: str, expectation: str) -> str:
    return f"'{name} is ' || to_json(left(x_{name}, 80)) || ', {expectation}'"
