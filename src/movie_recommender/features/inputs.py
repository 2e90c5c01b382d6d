"""What a build reads: of each topic, the rows that the store it adds to hasn't."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import pyarrow.dataset as ds

from movie_recommender import events
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.lake import LakeChanges
from movie_recommender.lake.rows import gone


@dataclass(frozen=True)
class Part:
    """Rows of a topic, those with `event_time >= not_before` (None: all) of a dataset."""

    rows: ds.Dataset
    not_before: datetime | None = None


def everything(lake: LakeChanges, versions: Mapping[str, int]) -> dict[str, list[Part]]:
    """All rows of the topics, each at its version; a topic without one has no rows."""
    return {
        topic: [
            Part(
                lake.dataset(topic, versions[topic])
                if topic in versions
                else ds.dataset(events.lake_schema(topic).empty_table())
            )
        ]
        for topic in events.CONTRACTS
    }


def since(lake: LakeChanges, base: Snapshot, planned: Snapshot) -> dict[str, Sequence[Part]] | None:
    """What `planned` counts and `base` doesn't; None where `base` can't be added to.

    New are the rows that were appended to the lake since, and those that the lake had already and
    that happened at or after the instant that `base` stands for.
    """
    same = ("format", "sql_hash", "code_version", "engine", "on_time_until")
    if any(getattr(base, name) != getattr(planned, name) for name in same):
        return None
    if base.as_of > planned.as_of or base.lake_ids.items() - planned.lake_ids.items():
        return None
    parts: dict[str, Sequence[Part]] = {}
    for topic in events.CONTRACTS:
        was, now = base.lake_versions.get(topic, -1), planned.lake_versions.get(topic, -1)
        appended = lake.appended(topic, was, now) if was <= now else None
        if appended is None:
            return None
        held = lake.dataset(topic, was, not_before=base.as_of.date()) if was >= 0 else None
        if held is not None and gone(held):
            return None
        parts[topic] = [Part(appended)] + ([Part(held, base.as_of)] if held is not None else [])
    return parts


def on_time_until(lake: LakeChanges, versions: Mapping[str, int]) -> datetime:
    """The end of the UTC day on which the lake got its first rows; 1970 for a lake without any.

    What is loaded on that day is history, which was there before the lake was.
    """
    firsts = [lake.first_ingestion(topic, version) for topic, version in versions.items()]
    known = [first for first in firsts if first is not None]
    if not known:
        return datetime(1970, 1, 1, tzinfo=UTC)
    day = min(known).astimezone(UTC).date()
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1)
