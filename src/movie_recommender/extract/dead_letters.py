"""Dead letters: look at them, and judge them again once the contract or the producer was mended."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender import events, kafka
from movie_recommender.errors import InputDataError, NotReadyError
from movie_recommender.extract.deduplicate import drop_duplicates, event_dates
from movie_recommender.extract.validate import MESSAGES, validate
from movie_recommender.lake import DEAD_LETTERS, Lake, id_app
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

_LETTERS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Listing:
    """What lies in the table, and its newest letters.

    Attributes:
        total: letters that match.
        reasons: of those, how many by topic and reason.
        newest: place, time, reason and detail of the newest ones.
    """

    total: int
    reasons: dict[str, dict[str, int]]
    newest: list[dict[str, Any]]


@dataclass(frozen=True)
class ReplayResult:
    """What a replay did.

    Attributes:
        judged: letters that were judged again.
        landed: rows that are in the lake since, by topic.
        duplicates: valid letters whose event had landed already.
        left: letters that are still invalid, by reason.
    """

    judged: int
    landed: dict[str, int]
    duplicates: int
    left: dict[str, int]


def listing(
    settings: Settings,
    *,
    topic: str | None = None,
    reason: str | None = None,
    since: date | None = None,
    limit: int = 20,
) -> Listing:
    """The dead letters of `topic` with `reason` that came on `since` or later; all by default.

    Raises:
        StorageError: the lake can't be read.
    """
    wanted = _matching(settings, topic, reason, since)
    columns = [name for name in events.DEAD_LETTERS.names if name not in {"key", "value"}]
    dataset = Lake(settings.data_lake_path).dataset(DEAD_LETTERS)
    found = dataset.to_table(columns=columns, filter=wanted)
    counts: dict[str, dict[str, int]] = {}
    for row in found.group_by(["kafka_topic", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts.setdefault(row["kafka_topic"], {})[row["reason"]] = row["count_all"]
    order = [("ingestion_time", "descending"), ("kafka_offset", "descending")]
    newest = found.sort_by(order).slice(0, limit).drop_columns("ingestion_date")
    return Listing(found.num_rows, counts, newest.to_pylist())


def show(settings: Settings, topic: str, partition: int, offset: int) -> dict[str, Any]:
    """One dead letter, whole: its value as text where it is UTF-8, else as hexadecimal digits.

    Raises:
        InputDataError: there is none at this place.
        StorageError: the lake can't be read.
    """
    name = kafka.topic_name(settings, topic)
    place = (pc.field("kafka_partition") == partition) & (pc.field("kafka_offset") == offset)
    found = (
        Lake(settings.data_lake_path)
        .dataset(DEAD_LETTERS)
        .to_table(filter=place & (pc.field("kafka_topic") == name))
    )
    if not found.num_rows:
        message = (
            f"No dead letter at {name}[{partition}], offset {offset}, in the lake at "
            f"{settings.data_lake_path!r}. `movie-recommender dead-letters list` shows the places."
        )
        raise InputDataError(message)
    letter = found.to_pylist()[0]
    return {**letter, "key": _readable(letter["key"]), "value": _readable(letter["value"])}


def replay(
    settings: Settings, *, now: datetime, topic: str | None = None, reason: str | None = None
) -> ReplayResult:
    """Judge dead letters again; what is valid today lands in the lake once, and its letter goes.

    The rows land first, then the letters are deleted: killed in between, the next replay finds the
    events landed and only deletes. A commit of an extraction at the same time and one of the
    replay collide, so that neither misses what the other landed.

    Args:
        settings: the process's settings.
        now: instant of ingestion (UTC) of the rows that land.
        topic: only the letters of this topic.
        reason: only those with this reason.

    Raises:
        ConcurrentWriteError: an extraction committed meanwhile; run again.
        NotReadyError: no extraction has landed anything in the topic's table yet.
        StorageError: the lake refuses to be read or written.
    """
    lake = Lake(settings.data_lake_path)
    landed: dict[str, int] = {}
    left: Counter[str] = Counter()
    judged = duplicates = 0
    for name, contract in events.CONTRACTS.items():
        if topic not in (None, name):
            continue
        version = lake.version(DEAD_LETTERS)
        letters = lake.dataset(DEAD_LETTERS, version).to_table(
            columns=MESSAGES.names, filter=_matching(settings, name, reason, None)
        )
        for start in range(0, letters.num_rows, _LETTERS_AT_ONCE):
            portion = letters.slice(start, _LETTERS_AT_ONCE).cast(MESSAGES)
            rows, valid, again = _land(lake, settings, contract, portion, now, version)
            version = version and version + bool(valid)
            judged += portion.num_rows
            landed[name] = landed.get(name, 0) + rows
            duplicates += valid - rows
            left.update(again)
    logger.info("replay judged=%d landed=%s left=%s", judged, landed, dict(left))
    return ReplayResult(judged, landed, duplicates, dict(left))


def _land(
    lake: Lake,
    settings: Settings,
    contract: events.Contract,
    letters: pa.Table,
    now: datetime,
    letters_version: int | None,
) -> tuple[int, int, list[str]]:
    """Rows landed, valid letters, and the reasons of those that stay."""
    name = kafka.topic_name(settings, contract.topic)
    validated = validate(letters, contract, kafka_topic=name, now=now)
    valid = validated.rows
    if valid.num_rows:
        # A commit collides with those of an extraction by the topic's number, which both set.
        number = lake.transaction(contract.topic, id_app(name))
        if number is None:
            message = (
                f"Lake table {contract.topic} at {lake.path!r} doesn't say yet which topic "
                f"{name!r} it follows, so a replay and an extraction at once wouldn't notice each "
                "other. Run `movie-recommender extract` once with a new message, then again."
            )
            raise NotReadyError(message)
        version = lake.version(contract.topic)
        dates = event_dates(valid)
        landed = lake.dataset(contract.topic, version, dates=dates)
        rows = drop_duplicates(valid, landed, dates)
        if rows.num_rows:
            lake.append(contract.topic, rows, {id_app(name): number}, unchanged_since=version)
        # Not after a rebuild that took the rows away again because their letters are there.
        lake.delete(DEAD_LETTERS, _places_sql(name, valid), unchanged_since=letters_version)
    else:
        rows = valid
    return rows.num_rows, valid.num_rows, validated.rejected["reason"].to_pylist()


def _matching(
    settings: Settings, topic: str | None, reason: str | None, since: date | None
) -> pc.Expression:
    wanted = pc.scalar(True)
    if topic is not None:
        wanted &= pc.field("kafka_topic") == kafka.topic_name(settings, topic)
    if reason is not None:
        wanted &= pc.field("reason") == reason
    if since is not None:
        wanted &= pc.field("ingestion_date") >= since
    return wanted


def _places_sql(kafka_topic: str, rows: pa.Table) -> str:
    """SQL condition of the letters at the places of `rows`; a topic's name holds no quote."""
    offsets: dict[int, list[int]] = {}
    for place in rows.select(["kafka_partition", "kafka_offset"]).to_pylist():
        offsets.setdefault(place["kafka_partition"], []).append(place["kafka_offset"])
    places = " OR ".join(
        f"(kafka_partition = {partition} AND kafka_offset IN ({', '.join(map(str, found))}))"
        for partition, found in offsets.items()
    )
    return f"kafka_topic = '{kafka_topic}' AND ({places})"


def _readable(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
