"""What a message is, said a second time: the standard library's JSON, and the contract by fields.

Shares nothing with the SQL of `extract`, so that the two can't be wrong in the same way.
"""

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pyarrow as pa

from movie_recommender.events import INSTANT, SCHEMA_VERSION, Contract, Field
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES

Parsed = dict[str, Any]

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"(?:Z|([+-])(0\d|1[0-4]):?([0-5]\d))",
    re.ASCII,
)
_WRONG_TYPE, _OUT_OF_RANGE = "wrong_type", "out_of_range"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_AHEAD = datetime.max.replace(tzinfo=UTC)


class Broken(Exception):
    """The message breaks its contract; says the reason code."""


def truth(value: bytes | None, contract: Contract, latest: datetime) -> Parsed | str:
    """The fields of a valid message, and canonical `extra`; of an invalid one the reason code."""
    if value is None:
        return "null_value"
    if len(value) > MAX_VALUE_BYTES:
        return "too_large"
    try:
        document = _parse(value.decode())
    except UnicodeDecodeError:
        return "invalid_utf8"
    except ValueError:
        return "invalid_json"
    if not isinstance(document, dict):
        return "not_an_object"
    try:
        read = _fields(document, contract)
        for name in contract.event_types[read["event_type"]]:
            _demand(read[name] is not None, "missing_field")
        _demand(read["event_time"] <= latest, "event_time_in_future")
    except Broken as broken:
        return str(broken)
    extra = {name: value for name, value in document.items() if name not in read}
    return {**read, "extra": _canonical(extra) if extra else None}


def canonical(text: str) -> str:
    """`text` in the one form that all JSON of the same meaning has: true is not 1, 1 is not 1.0.

    Raises:
        ValueError: it is no strict JSON.
    """
    return _canonical(_parse(text))


def _canonical(found: object) -> str:
    return json.dumps(found, sort_keys=True)


def _parse(text: str) -> object:
    """`text` as strict JSON, of a repeated key the first."""
    found = json.loads(text, object_pairs_hook=_first_of_each, parse_constant=_refuse)
    _refuse_lone_surrogates(found)
    return found


def _demand(kept: bool, reason: str) -> None:
    if not kept:
        raise Broken(reason)


def _first_of_each(pairs: list[tuple[str, object]]) -> Parsed:
    _refuse_lone_surrogates(pairs)  # also in what a repeated key hides
    return dict(reversed(pairs))


def _refuse_lone_surrogates(found: object) -> None:
    """Half a surrogate pair is no character."""
    json.dumps(found, ensure_ascii=False).encode()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _fields(document: Parsed, contract: Contract) -> Parsed:
    """Typed values; which version and which type it is, is asked first."""
    by_name = {field.name: field for field in contract.fields}
    version = _present(by_name.pop("schema_version"), document.get("schema_version"))
    _demand(1 <= version <= SCHEMA_VERSION, "unsupported_schema_version")
    event_type = _present(by_name.pop("event_type"), document.get("event_type"))
    _demand(event_type in contract.event_types, "unknown_event_type")
    read = {"schema_version": version, "event_type": event_type}
    for field in by_name.values():
        read[field.name] = _present(field, document.get(field.name))
        if read[field.name] is not None:
            _demand(_is_within(field, read[field.name]), _OUT_OF_RANGE)
    return read


def _present(field: Field, value: Any) -> Any:
    if value is None:
        _demand(not field.required, "missing_field")
        return None
    return _typed(field, value)


def _is_within(field: Field, read: Any) -> bool:
    if field.type == INSTANT:
        return bool(read >= _EPOCH)
    if field.max_length is not None:
        return int(field.required) <= len(read) <= field.max_length
    lowest, highest = field.minimum, field.maximum
    return (lowest is None or read >= lowest) and (highest is None or read <= highest)


def _typed(field: Field, value: Any) -> Any:
    if pa.types.is_integer(field.type):
        _demand(type(value) is int and -(2**63) <= value < 2**64, _WRONG_TYPE)
        return value
    if pa.types.is_floating(field.type):
        _demand(type(value) in (int, float), _WRONG_TYPE)
        return value  # a huge integer isn't made a float before its bounds were seen
    if pa.types.is_list(field.type):
        strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
        _demand(strings, _WRONG_TYPE)
        return value
    _demand(isinstance(value, str), _WRONG_TYPE)
    if field.type == INSTANT:
        return _instant(value)
    return _date(value) if pa.types.is_date(field.type) else value


def _instant(text: str) -> datetime:
    """Digits beyond microseconds are cut; 24:00:00 is midnight at the day's end, as in ISO 8601."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise Broken(_WRONG_TYPE)
    hour, minute, second = (int(match[i]) for i in range(4, 7))
    fraction, sign, hours, minutes = match[7] or "0", match[8], match[9] or 0, match[10] or 0
    at_end = (hour, minute, second, int(fraction)) == (24, 0, 0, 0)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    micros = int(f"{fraction:0<6}"[:6])
    try:
        clock = time(0 if at_end else hour, minute, second, micros, zone)
    except ValueError as error:
        raise Broken(_WRONG_TYPE) from error
    day = _date(text[:10])
    try:
        return (datetime.combine(day, clock) + timedelta(days=at_end)).astimezone(UTC)
    except OverflowError as error:
        if day.year > 1:
            return _FAR_AHEAD
        raise Broken(_OUT_OF_RANGE) from error


def _date(text: str) -> date:
    _demand(re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None, _WRONG_TYPE)
    # The year 0, that Python lacks, was a leap year as 4 was.
    year, is_before_all = (text[:4], False) if text[:4] != "0000" else ("0004", True)
    try:
        found = date.fromisoformat(year + text[4:])
    except ValueError as error:
        raise Broken(_WRONG_TYPE) from error
    _demand(not is_before_all, _OUT_OF_RANGE)
    return found
