"""Everything that is watched, at one moment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

from movie_recommender.monitoring import dag, lake, model, serving, snapshot, topics
from movie_recommender.monitoring.reading import Part, Readers
from movie_recommender.settings import Settings

PATIENCE_S = 15.0
"""The longest that a look at everything takes."""


@dataclass(frozen=True)
class Facts:
    """What was seen; a part that couldn't be read says why.

    Attributes:
        at: when.
        lake: rows, their age, dead letters.
        kafka: what waits, what is lost.
        features: the published snapshot, its warnings and drift.
        model: production, what was before, metrics.
        serving: readiness; without value where SERVING_URL is empty.
        airflow: health and runs; without value where AIRFLOW_API_URL is empty.
    """

    at: datetime
    lake: Part[lake.LakeFacts]
    kafka: Part[topics.KafkaFacts]
    features: Part[snapshot.SnapshotFacts]
    model: Part[model.ModelFacts]
    serving: Part[serving.ServingFacts]
    airflow: Part[dag.AirflowFacts]

    @property
    def parts(self) -> Mapping[str, Part[Any]]:
        """By name, in the order in which an event walks."""
        names = ("lake", "kafka", "features", "model", "serving", "airflow")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, Any]:
        """The parts' values, instants as ISO 8601.

        Of a part that couldn't be read it has the `problem`, of one that isn't configured null.
        """
        told: dict[str, Any] = {"at": self.at.isoformat()}
        for name, part in self.parts.items():
            problem = {"problem": part.problem} if part.problem else None
            told[name] = problem if part.value is None else _plain(asdict(part.value))
        return told


class Monitor:
    """Looks at everything that `settings` name, as often as it is asked to."""

    def __init__(self, settings: Settings) -> None:
        rooms = {
            "lake": lake.read,
            "kafka": topics.read,
            "features": snapshot.read,
            "model": model.read,
            "serving": serving.read,
            "airflow": dag.read,
        }
        self._readers = Readers({name: partial(read, settings) for name, read in rooms.items()})

    def look(self, now: datetime, *, patience_s: float = PATIENCE_S) -> Facts:
        """The facts at `now`; whatever is down, they come after `patience_s` at the latest."""
        return Facts(at=now, **self._readers.read(patience_s=patience_s))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
