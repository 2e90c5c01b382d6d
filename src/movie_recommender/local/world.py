"""Where the data of a run lies: one world's events never meet another's.

The default world has the plain names; any other size, seed or source gets its own topics, lake,
feature store and model, side by side in the same servers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from movie_recommender.settings import Settings

DEFAULT = "synthetic"


@dataclass(frozen=True)
class World:
    """A source of events and the name that keeps its data apart."""

    name: str
    source: dict[str, str]
    """Environment variables that choose the source."""

    def environment(
        self, var: Path, settings: Settings, given: Mapping[str, str]
    ) -> dict[str, str]:
        """The settings of this world, its data below `var` where `given` names no other place."""
        home = var.resolve() / self.name
        prefix = "" if self.name == DEFAULT else f"{self.name}."
        suffix = "" if self.name == DEFAULT else f"-{self.name}"
        places = {
            "DATA_LAKE_PATH": str(home / "lake"),
            "FEATURE_STORE_PATH": str(home / "features" / "feature_store.duckdb"),
            "ALERT_OUTBOX": str(var.resolve() / "alerts"),
        }
        return {
            **self.source,
            "KAFKA_TOPIC_PREFIX": f"{settings.kafka_topic_prefix}{prefix}",
            "MODEL_NAME": f"{settings.model_name}{suffix}",
            **{name: given.get(name, place) for name, place in places.items()},
        }


def world_of(settings: Settings) -> World:
    """The world that these settings describe."""
    if settings.data_source == "none":
        return World("events", {"DATA_SOURCE": "none"})
    if settings.data_source == "movielens" and settings.movielens_path is not None:
        folder = settings.movielens_path.resolve()
        source = {"DATA_SOURCE": "movielens", "MOVIELENS_PATH": str(folder)}
        return World(f"movielens-{folder.name}", source)
    sizes = {
        "SIMULATION_SEED": settings.simulation_seed,
        "SIMULATION_USERS": settings.simulation_users,
        "SIMULATION_MOVIES": settings.simulation_movies,
        "SIMULATION_HISTORY_DAYS": settings.simulation_history_days,
    }
    standard = all(
        Settings.model_fields[key.lower()].default == value for key, value in sizes.items()
    )
    name = DEFAULT if standard else f"{DEFAULT}-{'-'.join(str(value) for value in sizes.values())}"
    return World(name, {"DATA_SOURCE": "synthetic", **{k: str(v) for k, v in sizes.items()}})
