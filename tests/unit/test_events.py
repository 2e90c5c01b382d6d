import pyarrow as pa
import pytest

from movie_recommender.events import (
    CONTRACTS,
    DEAD_LETTERS,
    INGESTION_FIELDS,
    INSTANT,
    SCHEMA_VERSION,
    Contract,
    lake_schema,
)

EVERY_CONTRACT = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())


def test_each_topic_has_one_contract() -> None:
    assert set(CONTRACTS) == {"users", "movies", "interactions"}
    assert all(topic == contract.topic for topic, contract in CONTRACTS.items())


def test_interactions_are_the_six_kinds_and_what_each_needs() -> None:
    assert dict(CONTRACTS["interactions"].event_types) == {
        "impression": ("movie_id",),
        "view": ("movie_id",),
        "watch": ("movie_id", "fraction"),
        "rating": ("movie_id", "rating"),
        "like": ("movie_id",),
        "search": ("query",),
    }


@EVERY_CONTRACT
def test_every_event_says_who_what_when_and_in_which_form(contract: Contract) -> None:
    required = {field.name for field in contract.fields if field.required}
    assert required >= {"event_id", "event_type", "event_time", "schema_version", contract.key}


@EVERY_CONTRACT
def test_an_event_type_needs_only_fields_that_exist(contract: Contract) -> None:
    names = {field.name for field in contract.fields}
    for event_type, needed in contract.event_types.items():
        assert set(needed) <= names, event_type


@EVERY_CONTRACT
def test_ids_are_any_positive_64_bit_integer(contract: Contract) -> None:
    ids = [field for field in contract.fields if field.name in {"user_id", "movie_id"}]
    assert ids
    for field in ids:
        assert (field.type, field.minimum, field.maximum) == (pa.int64(), 0, 2**63 - 1)


@EVERY_CONTRACT
def test_ranges_belong_to_numbers_and_lengths_to_text_and_lists(contract: Contract) -> None:
    for field in contract.fields:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        sized = pa.types.is_string(field.type) or pa.types.is_list(field.type)
        assert (field.minimum is not None, field.maximum is not None) == (number, number), field
        assert (field.max_length is not None) is sized, field


@EVERY_CONTRACT
def test_a_lake_table_holds_the_event_and_then_where_it_came_from(contract: Contract) -> None:
    schema = lake_schema(contract.topic)
    assert schema.names == [f.name for f in contract.fields] + INGESTION_FIELDS.names
    assert len(set(schema.names)) == len(schema.names)
    for field in contract.fields:
        column = schema.field(field.name)
        assert column.type == field.type
        assert column.nullable is not field.required


def test_an_unknown_topic_has_no_lake_table() -> None:
    with pytest.raises(KeyError, match="orders"):
        lake_schema("orders")


def test_instants_are_utc_microseconds() -> None:
    assert pa.timestamp("us", tz="UTC") == INSTANT
    assert INGESTION_FIELDS.field("ingestion_time").type == INSTANT
    assert DEAD_LETTERS.field("ingestion_time").type == INSTANT


def test_a_dead_letter_keeps_the_message_as_it_came() -> None:
    assert DEAD_LETTERS.field("key").type == pa.binary()
    assert DEAD_LETTERS.field("value").type == pa.binary()
    # A tombstone has no value, and nothing obliges a stranger to send a key.
    optional = {field.name for field in DEAD_LETTERS if field.nullable}
    assert optional == {"key", "value"}


def test_a_newer_schema_version_than_ours_is_out_of_range() -> None:
    for contract in CONTRACTS.values():
        version = next(f for f in contract.fields if f.name == "schema_version")
        assert version.maximum == SCHEMA_VERSION
