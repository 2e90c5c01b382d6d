"""What a build from given inputs will be, before anything is built."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from movie_recommender import __version__, events
from movie_recommender.features import inputs, snapshots
from movie_recommender.features.groups import sql_hash
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.lake import LakeChanges


def plan(
    lake: LakeChanges,
    *,
    as_of: datetime,
    lake_versions: Mapping[str, int] | None = None,
    on_time_until: datetime | None = None,
) -> Snapshot:
    """The snapshot that the running program makes from the lake; what it holds is still empty.

    Args:
        lake: where the events are.
        as_of: instant with a time zone.
        lake_versions: Delta version by table, of others than the topics ignored; None: the newest.
        on_time_until: what arrived up to then counts as arrived in time; None: see
            `inputs.on_time_until`.

    Raises:
        NotReadyError: a lake version doesn't exist.
        StorageError: the lake can't be read.
    """
    found = lake.versions() if lake_versions is None else lake_versions
    versions = {topic: found[topic] for topic in events.CONTRACTS if topic in found}
    ids = {topic: lake.id(topic) for topic in versions}
    rows = inputs.everything(lake, versions)
    return snapshots.plan(
        as_of=as_of.astimezone(UTC),
        lake_versions=versions,
        lake_ids={topic: found for topic, found in ids.items() if found is not None},
        lake_files=[
            Path(file).name
            for parts in rows.values()
            for part in parts
            for file in getattr(part.rows, "files", ())
        ],
        on_time_until=on_time_until or inputs.on_time_until(lake, versions),
        code_version=__version__,
        sql_hash=sql_hash(),
    )
