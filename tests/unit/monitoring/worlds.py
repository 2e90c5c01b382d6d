"""Facts of a pipeline in which all is well, to be spoiled by tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from movie_recommender.extract.lag import TopicLag
from movie_recommender.lake import Freshness
from movie_recommender.monitoring import Facts
from movie_recommender.monitoring.dag import AirflowFacts, RunFacts, TaskFacts
from movie_recommender.monitoring.lake import LakeFacts
from movie_recommender.monitoring.model import ModelFacts, VersionFacts
from movie_recommender.monitoring.reading import Part
from movie_recommender.monitoring.serving import ServingFacts
from movie_recommender.monitoring.snapshot import FeatureDrift, SnapshotFacts
from movie_recommender.monitoring.topics import KafkaFacts

NOW = datetime(2026, 6, 10, 9, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0)
NIGHT = NOW.replace(hour=2)


def table(rows: int) -> Freshness:
    return Freshness(7, rows, MIDNIGHT - timedelta(seconds=1), NIGHT)


RUN = RunFacts(
    run_id="scheduled__2026-06-10",
    state="success",
    queued=NIGHT,
    ended=NIGHT + timedelta(minutes=4),
    seconds=240.0,
    tasks=[TaskFacts("extract_events", "success", 12.5), TaskFacts("alert_failure", None, None)],
)
METRICS = {"auc": 0.9, "ndcg_at_10": 0.6}
PRODUCTION = VersionFacts(
    4, NOW - timedelta(days=3), ("production",), "s4", True, METRICS, unconfirmed=False
)
PREVIOUS = VersionFacts(
    3, NOW - timedelta(days=10), ("previous",), "s3", True, {"auc": 0.8}, unconfirmed=False
)
OLDER = VersionFacts(2, NOW - timedelta(days=17), (), None, None, {}, unconfirmed=False)

VALUES: dict[str, Any] = {
    "lake": LakeFacts(
        {
            **{topic: table(1_000) for topic in ("users", "movies", "interactions")},
            "dead_letters": Freshness(2, 10, None, NIGHT),
        }
    ),
    "kafka": KafkaFacts(
        {
            topic: TopicLag(topic, on_broker=True, messages=5)
            for topic in ("users", "movies", "interactions")
        }
    ),
    "features": SnapshotFacts(
        "s5", MIDNIGHT, {"training_frame": 500}, {}, {"hour": FeatureDrift(0.02, "none")}
    ),
    "model": ModelFacts([PRODUCTION, PREVIOUS, OLDER]),
    "serving": ServingFacts(True, 4, [4, 4], "s5", []),
    "airflow": AirflowFacts(
        {"scheduler": True, "triggerer": True}, False, NIGHT + timedelta(days=1), None, RUN
    ),
}


def well(**parts: Any) -> Facts:
    """All is well, but for what is given in place of a part's value."""
    values = {**VALUES, **parts}
    told = {n: v if isinstance(v, Part) else Part(v, None, 0.1) for n, v in values.items()}
    return Facts(at=NOW, **told)


def spoiled(part: str, **fields: Any) -> Facts:
    """One part has other fields."""
    return well(**{part: replace(VALUES[part], **fields)})


def gone(*names: str) -> Facts:
    """Some parts can't be read."""
    return well(**{name: Part(None, f"{name} is down.", 1.0) for name in names})
