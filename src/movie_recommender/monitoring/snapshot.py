"""The published feature store: which snapshot, and what its build thought of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from movie_recommender.features import FeatureStore
from movie_recommender.features.drift import STRONG, limit_of, measure_of
from movie_recommender.settings import Settings

Level = Literal["none", "some", "strong"]


@dataclass(frozen=True)
class FeatureDrift:
    """How far a feature is from the rows that the production model of that day had learned from.

    `value` is a PSI, of genres a Jensen-Shannon distance; `level` is `none` too where the build
    had too few rows to say.
    """

    value: float
    level: Level


@dataclass(frozen=True)
class SnapshotFacts:
    """The published snapshot.

    Attributes:
        id: of it.
        as_of: only events before it count.
        rows: by table, and `positives`.
        warnings: of the quality rules, a sentence each, by the rule's name.
        drift: by feature, as it was when the snapshot was built; empty without a reference.
    """

    id: str
    as_of: datetime
    rows: Mapping[str, int]
    warnings: Mapping[str, str]
    drift: Mapping[str, FeatureDrift]


def read(settings: Settings) -> SnapshotFacts:
    """What the file's registry says; no feature table is read.

    Raises:
        NotReadyError: there is no file.
        InputDataError: the file is damaged, no feature store, or of another version.
        StorageError: the disk refused to read it.
    """
    with FeatureStore.open(settings.feature_store_path) as store:
        snapshot = store.snapshot
    warnings = {text.partition(" ")[0]: text for text in snapshot.warnings}
    drift = {
        feature: FeatureDrift(value, _level(feature, value, warned=f"drift.{feature}" in warnings))
        for feature, value in snapshot.drift.items()
    }
    return SnapshotFacts(snapshot.id, snapshot.as_of, snapshot.row_counts, warnings, drift)


def _level(feature: str, value: float, *, warned: bool) -> Level:
    if not warned:
        return "none"
    return "strong" if value > limit_of(measure_of(feature), STRONG) else "some"
