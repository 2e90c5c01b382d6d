"""Messages as no sane producer writes them: good ones, changed in their members and their bytes.

`singles` are all that differ from a plain message in one value, `messages` are drawn by chance.
"""

import json
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pyarrow as pa

from movie_recommender.events import INSTANT, Contract, Field

Members = list[tuple[str, str]]
"""Names and values of an object, as JSON."""

NUMBERS = [
    *"0 -0 1 -1 2 5 7 0.5 4.5 5.0 1.0 1e0 1E0 10e-1 1E5 1e5 0e0 -0.0 0.0 1e308 1e309".split(),
    *"0.49999999999999999999 5.0000000000000001 5.000000000000001 1.0000000000000001".split(),
    *"1e-400 007 00 1. .5 +1 0x10 1_000 1e 1e+ 1e1.5 NaN Infinity -Infinity nan inf -inf -".split(),
    *(str(2**n + d) for n in (31, 32, 53, 63, 64) for d in (-1, 0, 1)),
    *("9" * n for n in (17, 18, 19, 20, 30, 400)),
    *("1" + "0" * n for n in (17, 18, 19)),
    *("0." + "3" * n for n in (16, 17, 18, 40)),
    *"-1e309 1870 2200 130 1000000".split(),
    *"1e-99999999999 1e99999999999 0e99999999999 5e-324 2e-324 1.7976931348623159e308".split(),
    *"0.30000000000000004 1234567890123456.78 12345678901234567890e-18 1e-7 0.1e+005".split(),
    *("0." + "0" * n + "4" for n in (4, 22, 330)),
    *("\uff11", "\u0663"),  # digits of other scripts
]
STRINGS = [
    r'"\u0000"',
    r'"a\u0000b"',
    r'"\ud800"',
    r'"\udc00\ud800"',
    r'"\ud83d\ude00"',
    r'"\u00e9\/\b\f\n\r\t\"\\"',
    r'"\x41"',
    r'"\u12"',
    r'"\uFFFF"',
    r'"\u2028"',
    '"\t"',
    '"\n"',
    '"\x00"',
    '"\x1f"',
    '"\x7f"',
    '"\ud800"',  # as three bytes, that are no UTF-8
    '"\ufeff\u2028\uffff\U0010ffff"',
    '"e\u0301 \u202eabc"',
    '"NaN, Infinity] ,} ,] -inf}"',
    '"\'); DROP TABLE interactions; --"',
    "'x'",
    '"',
    '""',
    '"x',
    *(json.dumps(c * n) for c in ("x", "é", "😀") for n in (32, 33, 64, 65, 200, 201, 500, 501)),
    *(json.dumps(c * n, ensure_ascii=False) for c in ("é", "😀") for n in (64, 65, 500, 501)),
]
TIMES = [
    f'"{text}"'
    for text in (
        *(f"2026-01-31{t}Z" for t in ("T23:59:60", "T24:00:00", "T24:00:01", "T25:00:00", "")),
        *(f"2026-01-31{t}Z" for t in ("T00:00:00", " 00:00:00", "t00:00:00", "T0:0:0", "T00:00")),
        *(f"2026-01-31T10:00:00.{'9' * n}Z" for n in range(11)),
        "2026-01-31T10:00:00.1234565Z",
        *(f"2026-01-31T24:00:00{f}Z" for f in (".0", ".000000000", ".0000009", ".1")),
        "2026-01-31T23:59:59.9999999Z",
        *(f"2026-01-31T10:00:00{z}" for z in ("", "z", " Z", "+00", "+2", "+02:00", "-0330", "Z ")),
        *(f"2026-01-31T10:00:00{z}" for z in ("+14:00", "+14:59", "+15:00", "-14:59", "+02:60")),
        *(f"2026-01-31T10:00:00{z}" for z in ("-00:00", "+09:59", "UTC", " UTC", "+02:00:00")),
        *(f"{d}T10:00:00Z" for d in ("0000-01-01", "0001-01-01", "9999-12-31", "1969-12-31")),
        *(f"{d}T10:00:00Z" for d in ("2024-02-29", "2023-02-29", "2026-00-10", "2026-13-01")),
        *(f"{d}T10:00:00Z" for d in ("2026-1-1", "26-01-01", "+2026-01-01", "-2026-01-01")),
        *(f"{d}T10:00:00Z" for d in ("12026-01-01", "2026/01/01", "2026-01-32", "\uff12026-01-01")),
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:59:59+01:00",
        "1969-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+01:00",
        "0000-01-01T25:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "2026-02-02T12:00:00Z",
        "2026-02-02T12:00:00.000001Z",
        "2026-02-02T14:00:00+02:00",
        "infinity",
        "epoch",
        "2026-03-29T02:30:00+01:00",
        *("0000-01-01", "0000-02-30", "0001-01-01", "0999-12-31", "9999-12-31", "1999-02-29"),
        *("2000-02-29", "2026-1-1", "12026-01-01", "2026-01-31 "),
        *("5877642-06-25", "-0001-01-01", "2026-01-31 (BC)", "0044-03-15 (BC)", "infinity"),
    )
]
OTHERS = [
    *"null true false True None {} [] [1] [null] [[]] [{}] undefined".split(),
    *('["a"]', '["a","b" ]', '["a",]', '["a",1]', '["\\u0000"]', '["\\ud800"]', '["a" "b"]'),
    '{"a": {"b": [1, {"c": null}]}}',
    '{"a": 1, "a": 2}',
    json.dumps(["g"] * 50),
    json.dumps(["g"] * 51),
    "[" * 60 + "]" * 60,
    '{"a":' * 60 + "1" + "}" * 60,
    "",
]
MESSAGES = [*"NaN -Infinity inf [NaN] [1,] [,] {,} {}{} {}".split(), " nan ", '["\\ud800"]', " "]
POOL = [*NUMBERS, *STRINGS, *TIMES, *OTHERS]
SPACES = [*", \t\n\r", "  \r\n", *"\f\v\x00\x1c\u00a0\u2028\ufeff", "/**/", "//\n", "#"]
BYTES = [
    *(bytes([b]) for b in b'\x00\\",\xff\xc3'),
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]


def _plain(field: Field, contract: Contract) -> str:
    """JSON of an allowed value that nobody could misread."""
    if field.name == "event_type":
        return json.dumps(next(iter(contract.event_types)))
    if field.type == INSTANT:
        return '"2026-01-31T10:00:00.5Z"'
    if pa.types.is_date(field.type):
        return '"2001-02-03"'
    if pa.types.is_integer(field.type):
        return str(int(field.minimum or 0))
    if pa.types.is_floating(field.type):
        return str(field.maximum)
    return '["x", "y"]' if pa.types.is_list(field.type) else '"x"'


def _good(field: Field, rng: random.Random, contract: Contract, now: datetime) -> str:
    """JSON of a value that the field allows."""
    if field.name == "event_type":
        return json.dumps(rng.choice(list(contract.event_types)))
    if field.name == "schema_version":
        return "1"
    if field.type == INSTANT:
        time = now - timedelta(microseconds=rng.randrange(10**14))
        return f'"{time:%Y-%m-%dT%H:%M:%S}{rng.choice(["", f".{time:%f}", ".5"])}Z"'
    if pa.types.is_date(field.type):
        return f'"{date(1900, 1, 1) + timedelta(rng.randrange(50_000))}"'
    if pa.types.is_integer(field.type):
        lowest, highest = int(field.minimum or 0), int(field.maximum or 0)
        small = rng.randint(lowest, min(highest, 10**9))  # only such are proved the quick way
        return str(rng.choice([lowest, highest, small, small, small, small]))
    if pa.types.is_floating(field.type):
        found = rng.uniform(field.minimum or 0.0, field.maximum or 0.0)
        return rng.choice([str(found), f"{found:.1f}", f"{found:.17f}", f"{found:.25f}"])
    text = rng.choice(["x", "Ünï 映画", "a, b]", "Nan", f"{rng.getrandbits(40):x}"])
    ascii_only = rng.random() < 0.3
    if pa.types.is_list(field.type):
        return json.dumps([text] * rng.randrange(3), ensure_ascii=ascii_only)
    return json.dumps(text, ensure_ascii=ascii_only)


def _members(contract: Contract, rng: random.Random, now: datetime) -> Members:
    members = [
        (f'"{field.name}"', _good(field, rng, contract, now))
        for field in contract.fields
        if field.required or rng.random() < 0.7
    ]
    return rng.sample(members, len(members)) if rng.random() < 0.3 else members


def _kin(found: str) -> list[str]:
    """Values such as this one, most of them not quite good."""
    if found[:1].isdigit():
        return NUMBERS
    is_time = found[:2] in ('"1', '"2') and found[5:6] == "-"
    return TIMES if is_time else STRINGS if found[:1] == '"' else OTHERS


def _retyped(members: Members, rng: random.Random) -> None:
    place = rng.randrange(len(members))
    name, found = members[place]
    members[place] = (name, rng.choice(rng.choice([POOL, _kin(found)])))


def _repeated(members: Members, rng: random.Random) -> None:
    name = rng.choice(members)[0]
    found = rng.choice([rng.choice(members)[1], rng.choice(POOL), "null"])
    members.insert(rng.randrange(len(members) + 1), (name, found))


def _unknown(members: Members, rng: random.Random) -> None:
    name = rng.choice(['"new"', '""', '"a.b"', '"$"', '"EVENT_ID"', '"raw"', *STRINGS])
    if rng.random() < 0.2:
        name = rng.choice(members)[0][:-1] + rng.choice([r'\u0000"', r'\u0000x"', ' "'])
    members.insert(rng.randrange(len(members) + 1), (name, rng.choice(POOL)))


def _escaped(members: Members, rng: random.Random) -> None:
    place = rng.randrange(len(members))
    name, found = members[place]
    if len(name) < 3:
        return
    at = rng.randrange(1, len(name) - 1)
    members[place] = (f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}", found)


def _removed(members: Members, rng: random.Random) -> None:
    if len(members) > 1:
        members.pop(rng.randrange(len(members)))


CHANGES: list[Callable[[Members, random.Random], None]] = [
    _retyped,
    _retyped,
    _retyped,
    _repeated,
    _unknown,
    _escaped,
    _removed,
]


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _joined(members: Members, comma: str = ", ", colon: str = ": ") -> str:
    return "{" + comma.join(f"{name}{colon}{found}" for name, found in members) + "}"


def _edges(text: str) -> list[int]:
    return [i for i, c in enumerate(text) if c in '{}[],:"'] + [len(text)]


def _spaced(text: str, at: int, space: str) -> str:
    return text[:at] + space + text[at:]


def _text(members: Members, rng: random.Random) -> bytes:
    text = _joined(
        members, *rng.choice([(", ", ": "), (",", ":"), (",", ": "), (" ,\n\t", " :\r")])
    )
    if rng.random() < 0.15:
        text = _spaced(text, rng.choice(_edges(text)), rng.choice(SPACES))
    return _encoded(text)


def _damaged(value: bytes, other: bytes, rng: random.Random) -> bytes:
    at, until = sorted((rng.randrange(len(value) + 1), rng.randrange(len(value) + 1)))
    bit = 1 << rng.randrange(8)
    return rng.choice(
        [
            value[:at],
            value[at:],
            value[:at] + value[until:],
            value[:until] + value[at:],
            value[:at] + other[at:],
            value[:at] + rng.choice(BYTES) + value[at:],
            value[:at] + rng.randbytes(1) + value[at + 1 :],
            value[:at] + bytes(b ^ bit for b in value[at : at + 1]) + value[at + 1 :],
            b"\xef\xbb\xbf" + value,
            value + rng.choice([b"\0", b"x", b"{}", b" ", b"\n", b",", value]),
            b"[" + value + b"]",
            _encoded(rng.choice([*MESSAGES, *POOL])),
        ]
    )


def singles(contract: Contract) -> list[bytes | None]:
    """Plain messages with one value of the pool in one field, or with one odd space; the pool."""
    plain = [(f'"{field.name}"', _plain(field, contract)) for field in contract.fields]
    found = [
        _joined([*plain[:i], (name, value), *plain[i + 1 :]])
        for i, (name, _) in enumerate(plain)
        for value in POOL
    ]
    whole = _joined(plain)
    found += [_spaced(whole, at, space) for at in _edges(whole) for space in SPACES]
    return [None, *(_encoded(text) for text in (*found, *MESSAGES, *POOL))]


def messages(
    contract: Contract, rng: random.Random, n: int, *, now: datetime
) -> list[bytes | None]:
    """`n` messages: as they should be, changed in their members, damaged in their bytes."""
    found: list[bytes | None] = []
    last = b"{}"
    for _ in range(n):
        members = _members(contract, rng, now)
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            rng.choice(CHANGES)(members, rng)
        value = _text(members, rng)
        if rng.random() < 0.15:
            value = _damaged(value, last, rng)
        last = value
        found.append(value if rng.random() > 0.01 else None)
    return found
