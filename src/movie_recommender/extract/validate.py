"""Messages to rows and dead letters, a column at a time: pure, DuckDB in memory does the work."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender import events
from movie_recommender.events import Contract
from movie_recommender.extract.divide import divide
from movie_recommender.extract.quick import quick
from movie_recommender.extract.thorough import judge

MESSAGES = pa.schema(
    [
        pa.field("kafka_partition", pa.int32(), nullable=False),
        pa.field("kafka_offset", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)
"""Messages of one topic as they came."""

_AT_ONCE = 50_000
"""Each way has a price for each call, however few the messages."""


@dataclass(frozen=True)
class Validated:
    """A batch, divided.

    `rows` has the columns of `events.lake_schema`, `rejected` those of `events.DEAD_LETTERS`;
    each message is in exactly one; both are in any order.
    """

    rows: pa.Table
    rejected: pa.Table


class Validator:
    """Divides the messages of one topic, batch by batch, into rows and dead letters.

    An instant needs a zone; an integer is a JSON integer of 64 bits; null counts as absent; of a
    repeated JSON key the first counts. Fields that the contract doesn't know land in `extra`.

    Args:
        contract: of the topic.
        kafka_topic: the broker's name of the topic.
        now: instant of ingestion (UTC); events later than `now + events.MAX_FUTURE` are rejected.
    """

    def __init__(self, contract: Contract, *, kafka_topic: str, now: datetime) -> None:
        self._contract = contract
        self._schema = events.lake_schema(contract.topic)
        self._stamps = {"kafka_topic": kafka_topic, "ingestion_time": now}
        self._latest = now + events.MAX_FUTURE
        self._connection = duckdb.connect(config={"enable_external_access": "false"})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._clear()

    def __enter__(self) -> "Validator":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def n_bytes(self) -> int:
        """Memory of what was added and not yet taken."""
        return self._n_bytes

    def add(self, messages: pa.Table) -> None:
        """Take in a batch: columns of `MESSAGES`, all of the topic."""
        self._n_bytes += messages.nbytes
        self._new.append(messages)
        if sum(new.num_rows for new in self._new) >= _AT_ONCE:
            self._read()

    def take(self) -> Validated:
        """What the messages added since the last call turned out to be."""
        self._read()
        self._judge()
        empty = (self._schema.empty_table(), events.DEAD_LETTERS.empty_table())
        taken = Validated(
            rows=pa.concat_tables([empty[0], *self._rows]),
            rejected=pa.concat_tables([empty[1], *self._rejected]),
        )
        self._clear()
        return taken

    def _clear(self) -> None:
        self._new: list[pa.Table] = []
        self._others: list[pa.Table] = []
        self._rows: list[pa.Table] = []
        self._rejected: list[pa.Table] = []
        self._n_bytes = 0

    def _read(self) -> None:
        """The quick way, and what is left to the thorough one."""
        messages = pa.concat_tables([MESSAGES.empty_table(), *self._new])
        self._new = []
        proved, others = quick(self._connection, messages, self._contract, self._latest)
        self._n_bytes += others.nbytes - messages.nbytes
        self._keep(self._rows, proved, self._schema)
        self._others.append(others)
        if sum(waiting.num_rows for waiting in self._others) >= _AT_ONCE:
            self._judge()

    def _judge(self) -> None:
        others = pa.concat_tables([MESSAGES.empty_table(), *self._others])
        self._others = []
        if not others.num_rows:
            return
        self._n_bytes -= others.nbytes
        judged = judge(self._connection, others, self._contract, self._latest)
        valid, broken = divide(judged, pc.is_null(judged["reason"]))
        self._keep(self._rows, valid, self._schema)
        self._keep(self._rejected, broken, events.DEAD_LETTERS)

    def _keep(self, kept: list[pa.Table], judged: pa.Table, schema: pa.Schema) -> None:
        if judged.num_rows:
            kept.append(_conform(judged, schema, self._stamps))
            self._n_bytes += kept[-1].nbytes


def validate(
    messages: pa.Table, contract: Contract, *, kafka_topic: str, now: datetime
) -> Validated:
    """One batch divided by a `Validator` of its own."""
    with Validator(contract, kafka_topic=kafka_topic, now=now) as validator:
        validator.add(messages)
        return validator.take()


def _conform(judged: pa.Table, schema: pa.Schema, stamps: dict[str, object]) -> pa.Table:
    """`judged` with the columns of `schema`; dates follow from the instants of the same name."""
    columns = []
    for field in schema:
        if field.name in stamps:
            value = pa.scalar(stamps[field.name], field.type)
            columns.append(pa.repeat(value, judged.num_rows))
        elif field.name == "ingestion_date":
            value = pa.scalar(stamps["ingestion_time"], events.INSTANT)
            columns.append(pa.repeat(value, judged.num_rows).cast(field.type))
        elif field.name == "event_date":
            columns.append(judged["event_time"].cast(field.type))
        elif field.name not in judged.column_names:
            columns.append(pa.nulls(judged.num_rows, field.type))
        else:
            columns.append(judged[field.name].cast(field.type))
    return pa.table(columns, schema=schema)
