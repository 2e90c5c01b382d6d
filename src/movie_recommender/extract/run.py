"""The step: every topic in turn, then the sum."""

import contextlib
import ctypes
import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from movie_recommender import events, kafka
from movie_recommender.errors import InputDataError
from movie_recommender.extract.maintain import maintain
from movie_recommender.extract.source import Source
from movie_recommender.extract.topic import Tally, TopicExtraction
from movie_recommender.lake import TABLES, Lake, LakeIntegrity
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 256 << 10

_ENOUGH_MESSAGES = 1000
"""Of fewer messages a share says nothing."""


@dataclass(frozen=True)
class ExtractResult:
    """What one call landed, and the lake after it.

    Attributes:
        rows: rows landed by this call, by topic.
        duplicates: valid messages left out because their event had already landed.
        dead_letters: rejected messages landed by this call.
        reasons: of those, how many for each reason.
        messages: messages read.
        n_bytes: bytes of their values.
        lag: messages that Kafka held at the end and that this call left to the next.
        newest_event_time: of the rows landed by this call; None where there are none.
        lake_versions: newest version of each lake table that exists.
        totals: rows of every lake table.
        gaps: one sentence for each loss that was accepted.
    """

    rows: dict[str, int]
    duplicates: int
    dead_letters: int
    reasons: dict[str, int]
    messages: int
    n_bytes: int
    lag: int
    newest_event_time: str | None
    lake_versions: dict[str, int]
    totals: dict[str, int]
    gaps: list[str]


def run(settings: Settings, *, now: datetime, accept_data_loss: bool = False) -> ExtractResult:
    """Take what Kafka holds beyond the lake's offsets into the lake, each event exactly once.

    Reads the three topics up to their ends at the start. Commits batch by batch: the rejected
    messages to `dead_letters`, then the rows with the next offsets. Killed anywhere, the next call
    goes on from the last commit; a second call at once fails with ConcurrentWriteError after which
    the lake is as if one had run; a repeated call lands nothing.

    Args:
        settings: the process's settings.
        now: instant of ingestion (UTC), on each row; events more than `events.MAX_FUTURE` later
            are dead letters.
        accept_data_loss: go on where Kafka no longer holds what wasn't extracted, and report it.

    Raises:
        NotReadyError: the broker doesn't answer in time, or hides a topic from this user.
        OffsetGapError: messages are gone from Kafka and `accept_data_loss` is false.
        ConcurrentWriteError: another extraction was faster; run again.
        InputDataError: more than `MAX_DEAD_LETTER_SHARE` of the messages were rejected; the valid
            ones have landed.
        StorageError: the lake refuses to be read or written, or is damaged.
    """
    logger.info("extract start now=%s accept_data_loss=%s", now.isoformat(), accept_data_loss)
    give_memory_back()
    available = kafka.partitions(settings)
    LakeIntegrity(settings.data_lake_path).check()
    lake = Lake(settings.data_lake_path)
    tallies: dict[str, Tally] = {topic: Tally() for topic in events.CONTRACTS}
    with Source(settings) as source:
        for topic, contract in events.CONTRACTS.items():
            name = kafka.topic_name(settings, topic)
            kafka_id = kafka.find_topic_id(settings, name)
            if kafka_id is None or name not in available:
                logger.warning("extract topic=%s isn't on the broker: no rows", name)
                continue
            extraction = TopicExtraction(
                lake, source, contract, name, kafka_id, available[name], now
            )
            extraction.run(tallies[topic], accept_data_loss=accept_data_loss)
    maintain(settings, budget_s=settings.lake_care_budget_s)
    result = _result(lake, tallies)
    fields = dataclasses.asdict(result).items()
    logger.info("extract end %s", " ".join(f"{name}={value}" for name, value in fields))
    _refuse_a_flood(settings, result)
    return result


def give_memory_back() -> None:
    """Have the process keep less of what batches leave behind; none of it is faster when kept."""
    # Arrow's own allocator keeps 150 MB.
    pa.set_memory_pool(pa.system_memory_pool())
    with contextlib.suppress(AttributeError):  # another C library
        # glibc raises this bound by itself, and keeps what is freed below it: 60 MB.
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _refuse_a_flood(settings: Settings, result: ExtractResult) -> None:
    share = result.dead_letters / max(1, result.messages)
    if result.messages < _ENOUGH_MESSAGES or share <= settings.max_dead_letter_share:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in result.reasons.items())
    message = (
        f"{result.dead_letters} of {result.messages} messages ({share:.1%}) are dead letters "
        f"({reasons}), more than MAX_DEAD_LETTER_SHARE={settings.max_dead_letter_share:g}. The "
        "valid ones have landed, the others are kept: look at the table dead_letters, mend the "
        "producer, then run again; the next run judges new messages only."
    )
    raise InputDataError(message)


def _result(lake: Lake, tallies: Mapping[str, Tally]) -> ExtractResult:
    return ExtractResult(
        rows={topic: tally.rows for topic, tally in tallies.items()},
        duplicates=sum(tally.duplicates for tally in tallies.values()),
        dead_letters=sum(tally.dead_letters for tally in tallies.values()),
        reasons=dict(sum((tally.reasons for tally in tallies.values()), Counter())),
        messages=sum(tally.messages for tally in tallies.values()),
        n_bytes=sum(tally.n_bytes for tally in tallies.values()),
        lag=sum(tally.lag for tally in tallies.values()),
        newest_event_time=max(
            (tally.newest.isoformat() for tally in tallies.values() if tally.newest), default=None
        ),
        lake_versions=lake.versions(),
        totals={table: lake.count(table) for table in TABLES},
        gaps=[gap for tally in tallies.values() for gap in tally.gaps],
    )
