"""One topic's way into the lake: plan, read, judge, dead letters, rows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.errors import OffsetGapError
from movie_recommender.events import Contract
from movie_recommender.extract.deduplicate import drop_duplicates, event_dates
from movie_recommender.extract.plan import Plan, plan
from movie_recommender.extract.source import Batch, Source
from movie_recommender.extract.validate import validate
from movie_recommender.lake import DEAD_LETTERS, Lake, app_id, table_schema

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """Counts of one topic, filled as batches land."""

    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    messages: int = 0
    gaps: list[str] = field(default_factory=list)


class TopicExtraction:
    """One topic's way into the lake, and the offsets that the lake has of it on the way."""

    def __init__(
        self,
        lake: Lake,
        source: Source,
        contract: Contract,
        kafka_topic: str,
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
        self._dead = self._landed_dead_letters()

    def run(self, tally: Tally, *, accept_data_loss: bool) -> None:
        """Land what Kafka holds now beyond the lake's offsets, counting into `tally`.

        Raises:
            NotReadyError, OffsetGapError, ConcurrentWriteError, StorageError: as `extract.run`.
        """
        held = self._source.watermarks(self._kafka_topic, self._n_partitions)
        planned = plan(self._kafka_topic, self._committed[self._contract.topic], held)
        if planned.gaps:
            self._accept(planned, accept_data_loss)
            tally.gaps += planned.gaps
        if not planned.has_messages:
            return
        for batch in self._source.batches(self._kafka_topic, planned):
            self._land(batch, tally)

    def _accept(self, planned: Plan, accept_data_loss: bool) -> None:
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
        dead = {
            p: done[p] if start <= done.get(p, -1) <= planned.ends[p] else start
            for p, start in planned.starts.items()
        }
        for table, positions in ((DEAD_LETTERS, dead), (self._contract.topic, planned.starts)):
            none = table_schema(table).empty_table()
            self._append(table, none, positions, accepted_data_loss=gaps)

    def _land(self, batch: Batch, tally: Tally) -> None:
        messages = self._without_landed_dead_letters(batch.messages)
        validated = validate(messages, self._contract, kafka_topic=self._kafka_topic, now=self._now)
        if validated.rejected.num_rows:
            # Before the rows: a kill in between leaves them to `_landed_dead_letters`.
            done = self._committed[DEAD_LETTERS]
            positions = {p: max(offset, done.get(p, 0)) for p, offset in batch.positions.items()}
            self._append(DEAD_LETTERS, validated.rejected, positions)
        dates = event_dates(validated.rows)
        landed = self._lake.dataset(self._contract.topic, dates=dates)
        rows = drop_duplicates(validated.rows, landed, dates)
        if rows.num_rows or batch.positions != self._committed[self._contract.topic]:
            self._append(self._contract.topic, rows, batch.positions)
        tally.messages += batch.messages.num_rows
        tally.rows += rows.num_rows
        tally.duplicates += validated.rows.num_rows - rows.num_rows
        tally.dead_letters += validated.rejected.num_rows
        logger.info(
            "extract batch topic=%s messages=%d rows=%d dead_letters=%d",
            self._kafka_topic,
            batch.messages.num_rows,
            rows.num_rows,
            validated.rejected.num_rows,
        )

    def _append(
        self, table: str, rows: pa.Table, positions: Mapping[int, int], **notes: str
    ) -> None:
        """Commit with the offsets of every partition, moved or not.

        So any two extractions of the topic collide, also when they read different partitions, and
        what `drop_duplicates` saw of the table is what this commit adds to.
        """
        self._lake.append(
            table,
            rows,
            {app_id(self._kafka_topic, p): offset for p, offset in positions.items()},
            expected={
                app_id(self._kafka_topic, p): offset for p, offset in self._committed[table].items()
            },
            notes=notes,
        )
        self._committed[table] = dict(positions)

    def _landed_dead_letters(self) -> dict[tuple[int, int], bytes | None]:
        """Dead letters whose batch was killed, or is still at work, before its rows landed.

        By partition and offset, and with the value: a recreated topic counts from 0 again.
        """
        done = self._committed[self._contract.topic]
        ahead = {
            p: (done.get(p, 0), offset)
            for p, offset in self._committed[DEAD_LETTERS].items()
            if offset > done.get(p, 0)
        }
        where = pc.scalar(False)
        for partition, (start, end) in ahead.items():
            offset = pc.field("kafka_offset")
            where |= (pc.field("kafka_partition") == partition) & (offset >= start) & (offset < end)
        columns = ["kafka_partition", "kafka_offset", "value"]
        found = self._lake.dataset(DEAD_LETTERS, dates=None if ahead else []).to_table(
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
