"""The contracts of the events: topics, fields, ranges, ids.

One declaration per topic; the Arrow schema, the lake's columns, the simulator's JSON and the
validation in `extract` all follow from it. Events are JSON objects, one a Kafka message, keyed by
the entity's id. Fields that a contract doesn't know are kept in the JSON column `extra`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NewType

import pyarrow as pa

UserId = NewType("UserId", int)
MovieId = NewType("MovieId", int)

SCHEMA_VERSION = 1
"""The newest schema version that this code understands; a higher one is a dead letter."""

MAX_FUTURE = timedelta(days=1)
"""An event further ahead of the extraction's clock than this has a broken clock: dead letter."""

INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Field:
    """One field of an event: its Arrow type and what values are allowed.

    `minimum` and `maximum` are inclusive; `max_length` counts characters, or items of a list.
    """

    name: str
    type: pa.DataType
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class Contract:
    """What the events of one topic look like.

    `event_types` maps each known type to the fields that it requires beyond the required ones.
    """

    topic: str
    key: str
    fields: tuple[Field, ...]
    event_types: Mapping[str, tuple[str, ...]]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the event's own fields, in contract order."""
        return pa.schema([pa.field(f.name, f.type, nullable=not f.required) for f in self.fields])


_ID = 2**63 - 1
_COMMON = (
    Field("event_id", pa.string(), required=True, max_length=64),
    Field("event_type", pa.string(), required=True, max_length=32),
    Field("event_time", INSTANT, required=True),
    Field("schema_version", pa.int32(), required=True, minimum=1, maximum=SCHEMA_VERSION),
)

USERS = Contract(
    topic="users",
    key="user_id",
    fields=(
        *_COMMON,
        Field("user_id", pa.int64(), required=True, minimum=0, maximum=_ID),
        Field("age", pa.int32(), minimum=0, maximum=130),
        Field("country", pa.string(), max_length=64),
        Field("device", pa.string(), max_length=64),
    ),
    event_types={"user": ()},
)

MOVIES = Contract(
    topic="movies",
    key="movie_id",
    fields=(
        *_COMMON,
        Field("movie_id", pa.int64(), required=True, minimum=0, maximum=_ID),
        Field("title", pa.string(), required=True, max_length=500),
        Field("genres", pa.list_(pa.string()), max_length=50),
        Field("year", pa.int32(), minimum=1870, maximum=2200),
        Field("language", pa.string(), max_length=64),
        Field("release_date", pa.date32()),
        Field("director", pa.string(), max_length=200),
        Field("cast", pa.list_(pa.string()), max_length=100),
        Field("franchise", pa.string(), max_length=200),
    ),
    event_types={"movie": ()},
)

INTERACTIONS = Contract(
    topic="interactions",
    key="user_id",
    fields=(
        *_COMMON,
        Field("user_id", pa.int64(), required=True, minimum=0, maximum=_ID),
        Field("movie_id", pa.int64(), minimum=0, maximum=_ID),
        Field("fraction", pa.float64(), minimum=0.0, maximum=1.0),
        Field("rating", pa.float64(), minimum=0.5, maximum=5.0),
        Field("position", pa.int32(), minimum=0, maximum=1_000_000),
        Field("query", pa.string(), max_length=500),
        Field("session_id", pa.string(), max_length=64),
    ),
    event_types={
        "impression": ("movie_id",),
        "view": ("movie_id",),
        "watch": ("movie_id", "fraction"),
        "rating": ("movie_id", "rating"),
        "like": ("movie_id",),
        "search": ("query",),
    },
)

CONTRACTS: Mapping[str, Contract] = {c.topic: c for c in (USERS, MOVIES, INTERACTIONS)}

PARTITIONS = 3
"""Partitions of a topic that this package creates."""

INGESTION_FIELDS = pa.schema(
    [
        pa.field("extra", pa.string()),
        pa.field("kafka_topic", pa.string(), nullable=False),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
        pa.field("ingestion_time", INSTANT, nullable=False),
        pa.field("event_date", pa.date32(), nullable=False),
    ]
)
"""What extraction adds to an event's own fields; `event_date` (UTC) is the lake's partition."""

DEAD_LETTERS = pa.schema(
    [
        pa.field("kafka_topic", pa.string(), nullable=False),
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("ingestion_time", INSTANT, nullable=False),
        pa.field("ingestion_date", pa.date32(), nullable=False),
    ]
)
"""A rejected message as it came, with a reason code and a sentence; by `ingestion_date` (UTC)."""


def lake_schema(topic: str) -> pa.Schema:
    """Columns of the lake's table for `topic`: the event's fields, then `INGESTION_FIELDS`."""
    return pa.schema([*CONTRACTS[topic].schema, *INGESTION_FIELDS])
