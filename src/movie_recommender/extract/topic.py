"""One topic's way into the lake: plan, read, judge, dead letters, rows."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.ahead import ahead
from movie_recommender.errors import OffsetGapError
from movie_recommender.events import Contract
from movie_recommender.extract.deduplicate import drop_duplicates, event_dates
from movie_recommender.extract.plan import Plan, plan
from movie_recommender.extract.source import Batch, Source
from movie_recommender.extract.validate import Validated, Validator
from movie_recommender.lake import DEAD_LETTERS, Lake, app_id, id_app, table_schema

logger = logging.getLogger(__name__)

MAX_COMMIT_MESSAGES = 150_000
MAX_COMMIT_BYTES = 48 << 20
"""A commit is made at the first of these bounds; one batch may come on top."""

_BATCHES_AHEAD = 2
_PORTIONS_AHEAD = 1


@dataclass
class Tally:
    """Counts of one topic, filled as batches land."""

    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    messages: int = 0
    n_bytes: int = 0
    gaps: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    newest: datetime | None = None
    lag: int = 0


@dataclass(frozen=True)
class _Portion:
    """What one commit lands."""

    validated: Validated
    messages: int
    n_bytes: int
    positions: Mapping[int, int]


class TopicExtraction:
    """One topic's way into the lake, and the offsets that the lake has of it on the way."""

    def __init__(
        self,
        lake: Lake,
        source: Source,
        contract: Contract,
        kafka_topic: str,
        kafka_id: str,
        n_partitions: int,
        now: datetime,
    ) -> None:
        self._lake = lake
        self._source = source
        self._contract = contract
        self._kafka_topic = kafka_topic
        self._n_partitions = n_partitions
        self._now = now
        self._committed = {
            table: lake.offsets(table, kafka_topic, range(n_partitions))
            for table in (contract.topic, DEAD_LETTERS)
        }
        self._kafka_id = kafka_id
        self._id = topic_number(kafka_id)
        self._ids = {
            table: lake.transaction(table, id_app(kafka_topic)) for table in self._committed
        }
        self._dead = self._landed_dead_letters()

    def run(self, tally: Tally, *, accept_data_loss: bool) -> None:
        """Land what Kafka holds now beyond the lake's offsets, counting into `tally`.

        Raises:
            NotReadyError, OffsetGapError, ConcurrentWriteError, StorageError: as `extract.run`.
        """
        held = self._source.watermarks(self._kafka_topic, self._n_partitions)
        recreated = self._ids[self._contract.topic] not in (None, self._id)
        committed = self._committed[self._contract.topic]
        planned = plan(self._kafka_topic, committed, held, recreated=recreated)
        if planned.gaps:
            self._accept(planned, accept_data_loss, recreated=recreated)
            tally.gaps += planned.gaps
        if not planned.has_messages:
            return
        batches = self._source.batches(self._kafka_topic, planned)
        validator = Validator(self._contract, kafka_topic=self._kafka_topic, now=self._now)
        with (
            validator,
            ahead(batches, _BATCHES_AHEAD) as ready,
            ahead(self._portions(ready, validator), _PORTIONS_AHEAD) as portions,
        ):
            for portion in portions:
                self._land(portion, tally)
                del portion  # or it would stay until the next one is there
        held = self._source.watermarks(self._kafka_topic, self._n_partitions)
        committed = self._committed[self._contract.topic]
        tally.lag = sum(marks.high - committed[p] for p, marks in held.items())

    def _accept(self, planned: Plan, accept_data_loss: bool, *, recreated: bool) -> None:
        gaps = "; ".join(planned.gaps)
        if not accept_data_loss:
            message = (
                f"Kafka no longer holds what the lake at {self._lake.path!r} hasn't got: {gaps}. "
                "Restore the topic, or accept the loss: "
                "`movie-recommender extract --accept-data-loss`."
            )
            raise OffsetGapError(message)
        logger.warning("extract data loss accepted: %s", gaps)
        # Dead letters of batches whose rows never landed stay known, unless the topic is another.
        done = self._committed[DEAD_LETTERS]
        known = {} if recreated else done
        dead = {
            p: known[p] if start <= known.get(p, -1) <= planned.ends[p] else start
            for p, start in planned.starts.items()
        }
        for table, positions in ((DEAD_LETTERS, dead), (self._contract.topic, planned.starts)):
            none = table_schema(table).empty_table()
            self._append(table, none, positions, accepted_data_loss=gaps)

    def _portions(self, batches: Iterable[Batch], validator: Validator) -> Iterator[_Portion]:
        """The batches, validated, in portions as large as memory may hold."""
        messages, n_bytes, positions = 0, 0, None
        for batch in batches:
            validator.add(self._without_landed_dead_letters(batch.messages))
            messages += batch.messages.num_rows
            n_bytes += batch.messages["value"].nbytes
            positions = batch.positions
            if messages >= MAX_COMMIT_MESSAGES or validator.n_bytes >= MAX_COMMIT_BYTES:
                yield _Portion(validator.take(), messages, n_bytes, positions)
                messages, n_bytes, positions = 0, 0, None
        if positions is not None:
            yield _Portion(validator.take(), messages, n_bytes, positions)

    def _land(self, portion: _Portion, tally: Tally) -> None:
        # Until now it was the same topic, so what was read before now came from it.
        self._source.require_same(self._kafka_topic, self._kafka_id)
        valid, rejected = portion.validated.rows, portion.validated.rejected
        if rejected.num_rows:
            # Before the rows: a kill in between leaves them to `_landed_dead_letters`.
            done = self._committed[DEAD_LETTERS]
            positions = {p: max(offset, done.get(p, 0)) for p, offset in portion.positions.items()}
            version = None
            if _any_before(rejected, done):
                # The letters' offsets tell nobody of letters before them: look again.
                version = self._lake.version(DEAD_LETTERS)
                self._dead = self._landed_dead_letters(version)
                rejected = self._without_landed_dead_letters(rejected)
            self._append(DEAD_LETTERS, rejected, positions, version)
        dates = event_dates(valid)
        version = self._lake.version(self._contract.topic)
        landed = self._lake.dataset(self._contract.topic, version, dates=dates)
        rows = drop_duplicates(valid, landed, dates)
        if rows.num_rows or portion.positions != self._committed[self._contract.topic]:
            self._append(self._contract.topic, rows, portion.positions, unchanged_since=version)
        tally.messages += portion.messages
        tally.n_bytes += portion.n_bytes
        tally.rows += rows.num_rows
        tally.duplicates += valid.num_rows - rows.num_rows
        tally.dead_letters += rejected.num_rows
        tally.reasons.update(rejected["reason"].to_pylist())
        newest = pc.max(rows["event_time"]).as_py()
        tally.newest = max(filter(None, (tally.newest, newest)), default=None)
        logger.info(
            "extract commit topic=%s messages=%d rows=%d dead_letters=%d",
            self._kafka_topic,
            portion.messages,
            rows.num_rows,
            rejected.num_rows,
        )

    def _append(
        self,
        table: str,
        rows: pa.Table,
        positions: Mapping[int, int],
        unchanged_since: int | None = None,
        **notes: str,
    ) -> None:
        """Commit with the topic's id and the offsets of every partition, moved or not.

        So any two extractions of the topic collide, also when they read different partitions, and
        what the deduplicator saw of the table is what this commit adds to: a replay and a rebuild,
        which add rows without moving offsets, are noticed by `unchanged_since`.
        """
        self._lake.append(
            table,
            rows,
            self._transactions(positions, self._id),
            expected=self._transactions(self._committed[table], self._ids[table]),
            unchanged_since=unchanged_since,
            notes=notes,
        )
        self._committed[table] = dict(positions)
        self._ids[table] = self._id

    def _transactions(self, positions: Mapping[int, int], number: int | None) -> dict[str, int]:
        offsets = {app_id(self._kafka_topic, p): offset for p, offset in positions.items()}
        return offsets if number is None else {**offsets, id_app(self._kafka_topic): number}

    def _landed_dead_letters(
        self, version: int | None = None
    ) -> dict[tuple[int, int], bytes | None]:
        """Dead letters whose batch was killed, or is still at work, before its rows landed.

        By partition and offset, and with the value: a recreated topic counts from 0 again.
        """
        done = self._committed[self._contract.topic]
        beyond = {
            p: (done.get(p, 0), offset)
            for p, offset in self._committed[DEAD_LETTERS].items()
            if offset > done.get(p, 0)
        }
        where = pc.scalar(False)
        for partition, (start, end) in beyond.items():
            offset = pc.field("kafka_offset")
            where |= (pc.field("kafka_partition") == partition) & (offset >= start) & (offset < end)
        columns = ["kafka_partition", "kafka_offset", "value"]
        found = self._lake.dataset(DEAD_LETTERS, version, dates=None if beyond else []).to_table(
            columns=columns, filter=(pc.field("kafka_topic") == self._kafka_topic) & where
        )
        rows = zip(*(found[name].to_pylist() for name in columns), strict=True)
        return {(partition, offset): value for partition, offset, value in rows}

    def _without_landed_dead_letters(self, messages: pa.Table) -> pa.Table:
        if not self._dead:
            return messages
        columns = (messages[name].to_pylist() for name in ("kafka_partition", "kafka_offset"))
        places = list(zip(*columns, strict=True))
        landed = [
            place in self._dead and self._dead[place] == messages["value"][row].as_py()
            for row, place in enumerate(places)
        ]
        return messages.filter(pc.invert(pa.array(landed, pa.bool_())))


def _any_before(messages: pa.Table, offsets: Mapping[int, int]) -> bool:
    """Whether one of the messages lies before the offset of its partition."""
    places = zip(
        messages["kafka_partition"].to_pylist(), messages["kafka_offset"].to_pylist(), strict=True
    )
    return any(offset < offsets.get(partition, 0) for partition, offset in places)


def topic_number(kafka_id: str) -> int:
    """The topic's id as a Delta application transaction can hold it: 63 bits."""
    return int.from_bytes(hashlib.blake2b(kafka_id.encode(), digest_size=8).digest(), "big") >> 1
