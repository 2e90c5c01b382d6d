"""Which tables the lake has, what is in them, and under which names their offsets stand."""

import pyarrow as pa

from movie_recommender import events

DEAD_LETTERS = "dead_letters"

TABLES = (*events.CONTRACTS, DEAD_LETTERS)

DISTINCT = ("event_id", "event_time", "session_id", "kafka_offset", "value")
"""Columns whose values nearly all differ: a dictionary of them saves nothing and doubles the time
to write and to read."""

UNBOUNDED = ("value",)
"""Columns without statistics: of a dead letter of 50 MB they alone would be 100 MB."""


def app_id(kafka_topic: str, partition: int) -> str:
    """Delta application id that holds a Kafka partition's next offset.

    Never the run's id: two runs at once must collide on it, else both of their commits succeed.
    """
    return f"{kafka_topic}-{partition}"


def id_app(kafka_topic: str) -> str:
    """Delta application id that holds a number made from the Kafka topic's own id."""
    return f"{kafka_topic}-id"


def table_schema(table: str) -> pa.Schema:
    """Arrow schema of `table`: a topic of `events.CONTRACTS` or `dead_letters`."""
    return events.DEAD_LETTERS if table == DEAD_LETTERS else events.lake_schema(table)


def partition_column(table: str) -> str:
    """The date column that `table` is partitioned by."""
    return "ingestion_date" if table == DEAD_LETTERS else "event_date"
