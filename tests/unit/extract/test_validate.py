"""A corpus of payloads, each with the verdict that it must get."""

import json
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_recommender import events
from movie_recommender.extract.contract_sql import MAX_VALUE_BYTES
from movie_recommender.extract.validate import MESSAGES, Validated, validate

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)

VIEW = {
    "event_id": "e1",
    "event_type": "view",
    "event_time": "2026-01-31T23:59:59.5Z",
    "schema_version": 1,
    "user_id": 7,
    "movie_id": 9,
}
MOVIE = {
    "event_id": "m1",
    "event_type": "movie",
    "event_time": "2026-01-31T00:00:00Z",
    "schema_version": 1,
    "movie_id": 9,
    "title": "Finding Nan, a life",
    "genres": ["Drama", "War"],
}


def verdicts(values: list[bytes | None], contract: events.Contract) -> Validated:
    messages = pa.table(
        [[0] * len(values), list(range(len(values))), [b"k"] * len(values), values], schema=MESSAGES
    )
    return validate(messages, contract, kafka_topic=contract.topic, now=NOW)


def view(**changes: object) -> bytes:
    fields = {**VIEW, **changes}
    return json.dumps({k: v for k, v in fields.items() if v != "ABSENT"}).encode()


def movie(**changes: object) -> bytes:
    return json.dumps({**MOVIE, **changes}).encode()


def replaced(text: str, by: str, payload: bytes | None = None) -> bytes:
    assert text.encode() in (payload or view())
    return (payload or view()).replace(text.encode(), by.encode())


BROKEN: list[tuple[bytes | None, str, str]] = [
    (None, "null_value", "tombstone"),
    (b"", "invalid_json", '""'),
    (b" " * (MAX_VALUE_BYTES + 1), "too_large", str(MAX_VALUE_BYTES)),
    (view().replace(b"e1", b"\xff"), "invalid_utf8", "UTF-8"),
    (b"\xed\xa0\x80", "invalid_utf8", "UTF-8"),
    (b"\xc0\x80", "invalid_utf8", "UTF-8"),
    (b"{", "invalid_json", '"{"'),
    (view() + b"x", "invalid_json", "not JSON"),
    (view()[:-1] + b",}", "invalid_json", "not JSON"),
    (replaced('"e1"', '"e\x001"'), "invalid_json", "not JSON"),
    (replaced('"e1"', '"\\ud800"'), "invalid_json", "not JSON"),
    (b"\xef\xbb\xbf" + view(), "invalid_json", "not JSON"),
    (view(event_type="rating", rating=float("nan")), "invalid_json", "not JSON"),
    (view(unknown=float("-inf")), "invalid_json", "not JSON"),
    (b"[" * 100_000, "invalid_json", "[[["),
    (b"[" * 100_000 + b"]" * 100_000, "not_an_object", "[[["),
    (b"null", "not_an_object", "null"),
    (b"[1]", "not_an_object", "[1]"),
    (b'"text"', "not_an_object", "text"),
    (b"{}", "missing_field", "schema_version"),
    (view(schema_version=2), "unsupported_schema_version", "2"),
    (view(schema_version=0), "unsupported_schema_version", "0"),
    (view(schema_version="1"), "wrong_type", "schema_version"),
    (view(event_type="purchase"), "unknown_event_type", "purchase"),
    (view(event_type=3), "wrong_type", "event_type"),
    (view(event_id="ABSENT"), "missing_field", "event_id"),
    (view(event_id=None), "missing_field", "event_id"),
    (view(event_id=""), "out_of_range", "event_id"),
    (view(event_id="x" * 65), "out_of_range", "65"),
    (view(event_id=5), "wrong_type", "event_id"),
    (view(event_time="yesterday"), "wrong_type", "yesterday"),
    (view(event_time="2026-01-31T10:00:00"), "wrong_type", "zone"),
    (view(event_time="2026-02-30T10:00:00Z"), "wrong_type", "2026-02-30"),
    (view(event_time="2026-01-31T10:00:00+99:00"), "wrong_type", "+99:00"),
    (view(event_time=1769900000), "wrong_type", "1769900000"),
    (view(event_time="1969-12-31T23:59:59Z"), "out_of_range", "1970"),
    (view(event_time="2026-02-02T12:00:01Z"), "event_time_in_future", "clock"),
    (view(user_id="7"), "wrong_type", '"7", expected an integer'),
    (view(user_id=7.0), "wrong_type", "7.0"),
    (view(user_id=True), "wrong_type", "true"),
    (view(user_id={"id": 7}), "wrong_type", "user_id"),
    (view(user_id=-1), "out_of_range", "-1"),
    (view(user_id=2**63), "out_of_range", "9223372036854775808"),
    (view(user_id=2**64), "wrong_type", "18446744073709551616"),
    (view(user_id=10**400), "wrong_type", "user_id"),
    (view(position=2**40), "out_of_range", "1099511627776"),
    (view(movie_id="ABSENT"), "missing_field", "a view event needs it"),
    (view(event_type="watch", fraction=None), "missing_field", "fraction"),
    (view(event_type="watch", fraction=1.01), "out_of_range", "1.01"),
    (view(event_type="watch", fraction=True), "wrong_type", "fraction"),
    (view(event_type="rating", rating="5"), "wrong_type", "rating"),
    (replaced('"movie_id": 9', '"movie_id": 9, "rating": 1e999'), "out_of_range", "rating"),
    (view(event_type="search"), "missing_field", "query"),
    (view(query="q" * 501), "out_of_range", "501"),
    (view(query=["q"]), "wrong_type", "query"),
]

BIG = '{"big":12345678901234567890123}'

KEPT: list[tuple[bytes, dict[str, object]]] = [
    (view(), {"event_id": "e1", "user_id": 7, "rating": None, "extra": None}),
    (view(user_id=2**63 - 1), {"user_id": 2**63 - 1}),
    (view(event_type="watch", fraction=1), {"fraction": 1.0}),
    (view(event_type="watch", fraction=0), {"fraction": 0.0}),
    (view(event_time="2026-02-01T01:00:00+02:00"), {"event_date": date(2026, 1, 31)}),
    (view(event_time="2026-02-02T12:00:00Z"), {"event_date": date(2026, 2, 2)}),
    (view(query="x\0y"), {"query": "x\0y"}),
    (view(query="Finding Nan, ,} or NaN ]"), {"query": "Finding Nan, ,} or NaN ]"}),
    (view(query="'); DROP TABLE t; --"), {"query": "'); DROP TABLE t; --"}),
    (view(extra={"a": 1}), {"extra": '{"extra":{"a":1}}'}),
    (view(page=2, empty=None), {"extra": '{"page":2,"empty":null}'}),
    (replaced('"e1"', '"e1", "deep": ' + "[" * 9_000 + "]" * 9_000), {"event_id": "e1"}),
    (replaced('"e1"', '"e1", "event_id": "e2"'), {"event_id": "e1", "extra": None}),
    (
        replaced('"e1"', '"e1", "big": 123456789012345678901'),
        {"extra": '{"big":123456789012345678901}'},
    ),
]


@pytest.fixture(scope="module")
def judged() -> Validated:
    """Every broken payload between two good ones, as in a stream."""
    stream = [payload for broken, _, _ in BROKEN for payload in (view(), broken)]
    return verdicts([*stream, view()], events.INTERACTIONS)


@pytest.mark.parametrize(
    "case", range(len(BROKEN)), ids=[f"{i}-{b[1]}" for i, b in enumerate(BROKEN)]
)
def test_broken_message_is_a_dead_letter_with_its_reason(judged: Validated, case: int) -> None:
    value, reason, detail = BROKEN[case]
    letter = judged.rejected.slice(case, 1).to_pylist()[0]
    assert letter["reason"] == reason, letter["detail"]
    assert detail in letter["detail"]
    assert len(letter["detail"]) < 250
    assert (letter["kafka_partition"], letter["kafka_offset"]) == (0, 2 * case + 1)
    assert (letter["key"], letter["value"]) == (b"k", value)
    assert letter["ingestion_date"] == NOW.date()


def test_good_messages_land_beside_broken_ones(judged: Validated) -> None:
    assert judged.rejected.schema == events.DEAD_LETTERS
    assert judged.rows.schema == events.lake_schema("interactions")
    assert judged.rows["kafka_offset"].to_pylist() == list(range(0, 2 * len(BROKEN) + 1, 2))


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_valid_message_is_a_row(case: int) -> None:
    payload, expected = KEPT[case]
    validated = verdicts([payload], events.INTERACTIONS)
    assert validated.rejected.num_rows == 0, validated.rejected["detail"].to_pylist()
    row = validated.rows.to_pylist()[0]
    assert {name: row[name] for name in expected} == expected


def test_a_row_has_typed_fields_and_where_it_came_from() -> None:
    row = verdicts([view(rating=4.5, position=3)], events.INTERACTIONS).rows.to_pylist()[0]
    assert row == {
        **VIEW,
        "event_time": datetime(2026, 1, 31, 23, 59, 59, 500_000, tzinfo=UTC),
        "fraction": None,
        "rating": 4.5,
        "position": 3,
        "query": None,
        "session_id": None,
        "extra": None,
        "kafka_topic": "interactions",
        "kafka_partition": 0,
        "kafka_offset": 0,
        "ingestion_time": NOW,
        "event_date": date(2026, 1, 31),
    }


@pytest.mark.parametrize(
    ("genres", "reason"),
    [
        (["a", 1], "wrong_type"),
        ([None], "wrong_type"),
        ("Drama", "wrong_type"),
        ({"a": "b"}, "wrong_type"),
        (["g"] * 51, "out_of_range"),
    ],
)
def test_genres_must_be_a_list_of_strings(genres: object, reason: str) -> None:
    rejected = verdicts([movie(genres=genres)], events.MOVIES).rejected
    assert rejected["reason"].to_pylist() == [reason]


@pytest.mark.parametrize("genres", [[], ["Drama", "War"], ['quote " and \\', "Ünï"], None])
def test_genres_are_kept(genres: list[str] | None) -> None:
    rows = verdicts([movie(genres=genres)], events.MOVIES).rows
    assert rows["genres"].to_pylist() == [genres]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(
            view(schema_version=2**63), "unsupported_schema_version", id="version-landed-as-null"
        ),
        pytest.param(b"NaN", "invalid_json", id="nan-alone-was-json"),
        pytest.param(b" -Infinity ", "invalid_json", id="infinity-alone-was-json"),
        pytest.param(
            view(event_time="2026-01-31T24:00:00.0000001Z"), "wrong_type", id="25th-hour-was-cut"
        ),
    ],
)
def test_what_fuzzing_found_is_a_dead_letter(value: bytes, reason: str) -> None:
    assert verdicts([value], events.INTERACTIONS).rejected["reason"].to_pylist() == [reason]


def test_end_of_day_is_the_next_midnight() -> None:
    value = view(event_time="2026-01-31T24:00:00.0Z")
    row = verdicts([value], events.INTERACTIONS).rows.to_pylist()[0]
    assert row["event_time"] == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_deep_message_may_say_nan_in_a_string() -> None:
    deep = ', "deep": ' + "[" * 2_000 + "]" * 2_000
    value = replaced('"e1"', '"Finding Nan, a life"' + deep)
    row = verdicts([value], events.INTERACTIONS).rows.to_pylist()[0]
    assert row["event_id"] == "Finding Nan, a life"


@pytest.mark.parametrize("changes", [{}, {"new": 1}], ids=["quick", "thorough"])
def test_year_0_is_no_release_date(changes: dict[str, object]) -> None:
    dates = ["0000-12-31", "0001-01-01", "9999-12-31"]
    validated = verdicts([movie(release_date=d, **changes) for d in dates], events.MOVIES)
    assert validated.rejected["reason"].to_pylist() == ["out_of_range"]
    read = sorted(validated.rows["release_date"].to_pylist())
    assert read == [date.min, date.max]


def test_users_are_validated_by_their_own_contract() -> None:
    user = {**VIEW, "event_type": "user", "age": 131}
    rejected = verdicts([json.dumps(user).encode()], events.USERS).rejected
    assert rejected["detail"].to_pylist() == ['age is "131", expected 0 to 130']


def test_no_messages_give_empty_tables() -> None:
    validated = verdicts([], events.INTERACTIONS)
    assert (validated.rows.num_rows, validated.rejected.num_rows) == (0, 0)


def test_future_limit_is_inclusive() -> None:
    limit = NOW + events.MAX_FUTURE
    late = limit + timedelta(microseconds=1)
    validated = verdicts(
        [view(event_time=limit.isoformat()), view(event_time=late.isoformat())], events.INTERACTIONS
    )
    assert validated.rejected["kafka_offset"].to_pylist() == [1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
payloads = (
    st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from([*VIEW, "rating", "new"]), json_values).map(
        lambda changes: view(**changes)
    )
)


@settings(max_examples=25, deadline=None)
@given(st.lists(payloads | st.none(), max_size=30))
def test_whatever_comes_every_message_is_a_row_or_a_dead_letter(values: list[bytes | None]) -> None:
    validated = verdicts(values, events.INTERACTIONS)
    rows = validated.rows["kafka_offset"].to_pylist()
    rejected = validated.rejected["kafka_offset"].to_pylist()
    assert sorted(rows + rejected) == list(range(len(values)))
    for offset in rows:
        json.loads(values[offset] or b"", parse_constant=pytest.fail)
