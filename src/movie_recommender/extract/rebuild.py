"""The lake's tables made again from the messages that Kafka still holds.

The messages are judged anew, at the instants at which they came into the lake; what Kafka no longer
holds is taken over as it is. So the same messages and the same contract give the same rows; a
changed contract or a mended extraction gives the rows that it would have given then.
"""

import contextlib
import logging
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from movie_recommender import events, kafka
from movie_recommender.ahead import ahead
from movie_recommender.errors import NotReadyError, OffsetGapError, StorageError
from movie_recommender.extract.plan import Plan
from movie_recommender.extract.remade import Remade, Window
from movie_recommender.extract.run import give_memory_back
from movie_recommender.extract.source import Source
from movie_recommender.extract.topic import MAX_COMMIT_BYTES, topic_number
from movie_recommender.extract.validate import Validated, Validator
from movie_recommender.lake import DEAD_LETTERS, Lake, LakeCare, LakeIntegrity, id_app, table_schema
from movie_recommender.lake.storage import reason
from movie_recommender.lake.store import REWRITE
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

_BATCHES_AHEAD = 2
_PORTIONS_AHEAD = 1


@dataclass(frozen=True)
class RebuildResult:
    """What one call did.

    Attributes:
        changed: days whose rows are others now, by table; the rest held the same rows already.
        rows: rows of every table now.
        kept: of those, rows taken over because Kafka doesn't hold their messages.
    """

    changed: dict[str, list[str]]
    rows: dict[str, int]
    kept: dict[str, int]


def rebuild(settings: Settings, *, now: datetime) -> RebuildResult:
    """Make the lake's tables again from what Kafka holds, up to the lake's own offsets.

    Rows keep their instant of ingestion; a row that wasn't there before gets that of the extraction
    which read its message, as far as its neighbours tell. Commits day by day. Killed anywhere, a
    next call ends with the same tables; nothing is written where they are the same already.

    Args:
        settings: the process's settings.
        now: instant of ingestion (UTC) where the lake tells none.

    Raises:
        NotReadyError: the broker doesn't answer in time, or the lake has no tables.
        OffsetGapError: Kafka's topic isn't the one that the lake was filled from, or Kafka deleted
            messages while they were being read.
        ConcurrentWriteError: an extraction, a replay or a rewrite committed meanwhile; run again.
        StorageError: the lake is damaged, or it or the temporary directory refuses.
    """
    give_memory_back()
    LakeIntegrity(settings.data_lake_path).check()
    lake = LakeCare(settings.data_lake_path)
    versions = _versions(lake)
    logger.info("rebuild start lake=%s versions=%s", lake.path, versions)
    with (
        _refusals(lake),
        tempfile.TemporaryDirectory(prefix="rebuild-") as directory,
        Source(settings) as source,
    ):
        windows = dict(_windows(settings, lake, source, versions))
        with Remade(lake, versions, windows, Path(directory)) as remade:
            for topic in windows:
                _read_again(source, remade, events.CONTRACTS[topic], windows[topic], now)
            kept = remade.settle()
            changed = _exchange(lake, remade, versions, windows)
    rows = {table: lake.count(table) for table in versions}
    result = RebuildResult(changed, rows, {**rows, **kept})
    logger.info("rebuild end %s", result)
    return result


def _versions(lake: Lake) -> dict[str, int]:
    """Of each table, from which this begins; dead letters get theirs where there were none."""
    versions = lake.versions()
    if not versions:
        message = (
            f"There are no tables at DATA_LAKE_PATH={lake.path!r}. Correct the variable, or fill "
            "the lake: `movie-recommender extract`."
        )
        raise NotReadyError(message)
    if DEAD_LETTERS not in versions:
        none = table_schema(DEAD_LETTERS).empty_table()
        versions[DEAD_LETTERS] = lake.append(DEAD_LETTERS, none, {})
    return versions


def _windows(
    settings: Settings, lake: Lake, source: Source, tables: Collection[str]
) -> Iterator[tuple[str, Window]]:
    """What is to be read of each topic that both Kafka and the lake have."""
    available = kafka.partitions(settings)
    for topic in events.CONTRACTS:
        name = kafka.topic_name(settings, topic)
        if topic not in tables or name not in available:
            logger.warning("rebuild topic=%s isn't on the broker or not in the lake: skipped", name)
            continue
        number = topic_number(kafka.topic_id(settings, name))
        if lake.transaction(topic, id_app(name)) not in (None, number):
            raise _another_topic(lake, name, "it was deleted and created again")
        committed = lake.offsets(topic, name, range(available[name]))
        held = source.watermarks(name, available[name])
        for p, offset in committed.items():
            if held[p].high < offset:
                found = f"[{p}] ends at {held[p].high}, before the committed {offset}"
                raise _another_topic(lake, name, found)
        lows = {p: marks.low for p, marks in held.items()}
        yield topic, Window(name, lows, {p: max(lows[p], committed.get(p, 0)) for p in lows})


def _read_again(
    source: Source, remade: Remade, contract: events.Contract, window: Window, now: datetime
) -> None:
    """Judge the window's messages as at the times when they came, then replay as was replayed."""
    topic, name = contract.topic, window.kafka_topic
    moments = remade.moments(topic, now)
    batches = source.batches(name, Plan(window.lows, window.ends, ()))
    with ahead((batch.messages for batch in batches), _BATCHES_AHEAD) as ready:
        parts = (part for messages in ready for part in _by_moment(messages, moments))
        for moment, group in groupby(parts, key=itemgetter(0)):
            with (
                Validator(contract, kafka_topic=name, now=moment) as validator,
                ahead(_judge(map(itemgetter(1), group), validator), _PORTIONS_AHEAD) as portions,
            ):
                for portion in portions:
                    remade.add(topic, portion)
    for moment in remade.replays(topic):
        with Validator(contract, kafka_topic=name, now=moment) as validator:
            for portion in _judge(remade.replayed(topic), validator):
                remade.land(topic, portion.rows)
    logger.info("rebuild read topic=%s moments=%d ends=%s", name, len(moments), window.ends)


def _by_moment(
    messages: pa.Table, moments: Sequence[tuple[datetime, Mapping[int, int]]]
) -> Iterator[tuple[datetime, pa.Table]]:
    """The messages, divided by the first of `moments` whose offsets are beyond theirs."""
    partitions, offsets = (
        messages["kafka_partition"].to_numpy(),
        messages["kafka_offset"].to_numpy(),
    )
    which = np.empty(len(offsets), dtype=np.int64)
    for p in np.unique(partitions):
        ends = [reached[p] for _, reached in moments]
        which[partitions == p] = np.searchsorted(ends, offsets[partitions == p], side="right")
    for number in np.unique(which):
        yield moments[number][0], messages.filter(pa.array(which == number))


def _judge(batches: Iterable[pa.Table], validator: Validator) -> Iterator[Validated]:
    """What the messages turn out to be, in portions as large as memory may hold."""
    for messages in batches:
        validator.add(messages)
        if validator.n_bytes >= MAX_COMMIT_BYTES:
            yield validator.take()
    yield validator.take()


def _exchange(
    lake: LakeCare, remade: Remade, versions: Mapping[str, int], windows: Mapping[str, Window]
) -> dict[str, list[str]]:
    """Give the lake the days that differ, a commit each; which they were, by table.

    Killed in between, no message is in none of the tables: new dead letters are added before the
    rows that they were go, and old ones go after the rows that they became have come.
    """
    differing = {table: remade.differing(table) for table in (*windows, DEAD_LETTERS)}
    if not any(differing.values()):
        return {}
    # Counted and not asked for: another writer's commit in between is noticed at the next one.
    now_at = Counter(versions)
    # Also when none are new: whoever is about to let letters go that are needed now gives way.
    none = table_schema(DEAD_LETTERS).empty_table()
    for letters in chain([none], remade.new_letters()):
        version = now_at[DEAD_LETTERS]
        lake.append(DEAD_LETTERS, letters, {REWRITE: version}, unchanged_since=version)
        now_at[DEAD_LETTERS] += 1
    for table, days in differing.items():
        apps = windows[table].apps() if table in windows else []
        for day in days:
            lake.replace(table, day, remade.rows(table, day), made_from=now_at[table], apps=apps)
            now_at[table] += 1
            logger.info("rebuild commit table=%s day=%s", table, day)
    return {table: list(map(str, days)) for table, days in differing.items() if days}


def _another_topic(lake: Lake, name: str, found: str) -> OffsetGapError:
    message = (
        f"Kafka's topic {name!r} isn't the one that the lake at {lake.path!r} was filled from: "
        f"{found}. Nothing was changed. `movie-recommender extract` says what is lost."
    )
    return OffsetGapError(message)


@contextlib.contextmanager
def _refusals(lake: Lake) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        message = (
            f"Rebuilding the lake at {lake.path!r} stopped: {reason(error)}. Its tables stay "
            "readable. Free space in the temporary directory (TMPDIR), grant access to "
            "DATA_LAKE_PATH, then run again."
        )
        raise StorageError(message) from error
