"""A small world of events, written into a real lake."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from movie_recommender import events
from movie_recommender.features import FeaturesResult, FeatureStore, run
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings


def at(text: str) -> datetime:
    """'06-03 12:30' -> that minute of June 2026, UTC; the time may be left out."""
    day, _, minute = text.partition(" ")
    return datetime.fromisoformat(f"2026-{day}T{minute or '00:00'}+00:00")


class World:
    """Collects events, lands them in the lake and builds the store."""

    history_loaded_until: datetime | None = None

    def __init__(self, root: Path) -> None:
        self.lake = Lake(str(root / "lake"))
        self.store_path = root / "features" / "store.duckdb"
        self.pending: dict[str, list[dict[str, Any]]] = {topic: [] for topic in events.CONTRACTS}
        self.count = 0

    @property
    def settings(self) -> Settings:
        return Settings(
            data_lake_path=self.lake.path,
            feature_store_path=self.store_path,
            history_loaded_until=self.history_loaded_until,
        )

    def add(self, topic: str, event_type: str, when: str | datetime, **fields: Any) -> None:
        self.count += 1
        time = at(when) if isinstance(when, str) else when
        row = dict.fromkeys(events.lake_schema(topic).names)
        row |= {
            "event_id": f"e{self.count}",
            "event_type": event_type,
            "event_time": time,
            "schema_version": 1,
            "kafka_topic": topic,
            "kafka_partition": 0,
            "kafka_offset": self.count,
            "ingestion_time": time + timedelta(minutes=1),
            "event_date": time.astimezone(UTC).date(),
        }
        self.pending[topic].append(row | fields)

    def act(self, event_type: str, user_id: int, movie_id: int | None, when: str, **f: Any) -> None:
        self.add("interactions", event_type, when, user_id=user_id, movie_id=movie_id, **f)

    def movie(self, movie_id: int, when: str, *genres: str, title: str = "T", **f: Any) -> None:
        fields = {"movie_id": movie_id, "title": title, "genres": list(genres), **f}
        self.add("movies", "movie", when, **fields)

    def user(self, user_id: int, when: str, **fields: Any) -> None:
        self.add("users", "user", when, user_id=user_id, **fields)

    def tables(self) -> dict[str, pa.Table]:
        """What isn't in the lake yet, by topic."""
        return {
            topic: pa.Table.from_pylist(rows, schema=events.lake_schema(topic))
            for topic, rows in self.pending.items()
        }

    def land(self) -> None:
        """One commit a topic that has new events."""
        for topic, rows in self.tables().items():
            if rows.num_rows:
                self.lake.append(topic, rows, {f"{topic}-0": self.count + 1})
                self.pending[topic] = []

    def build(self, as_of: str, **options: Any) -> FeaturesResult:
        self.land()
        return run(self.settings, as_of=at(as_of), threads=1, **options)

    def frame(self, as_of: str) -> list[dict[str, Any]]:
        """Build, and the training frame as rows."""
        self.build(as_of)
        with self.open() as store:
            return store.get_training_frame().to_pylist()  # type: ignore[no-any-return]

    def open(self) -> FeatureStore:
        return FeatureStore.open(self.store_path)


@pytest.fixture(scope="session")
def make_world() -> type[World]:
    return World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
