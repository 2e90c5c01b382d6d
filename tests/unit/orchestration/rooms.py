"""Stand-ins for the rooms, which need Kafka and MLflow; the integration tests run the real ones.

Each records what it was called with and returns a result of the agreed form.
"""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

import movie_recommender


@dataclass(frozen=True)
class Extracted:
    lake_versions: dict[str, int]


@dataclass(frozen=True)
class Built:
    snapshot_id: str


@dataclass(frozen=True)
class Trained:
    version: int
    trained: bool


@dataclass(frozen=True)
class Evaluated:
    metrics: dict[str, float]
    gate: dict[str, Any]
    production: dict[str, float]
    differences: dict[str, list[float]]
    page: str = "http://mlflow.test/#/report"


@dataclass(frozen=True)
class Promoted:
    version: int
    changed: bool


class Rooms:
    """The rooms that the tasks call.

    `calls` and `settings` have what each was called with; `raises` maps a room to the error that
    it ends with.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, Any] = {}
        self.raises: dict[str, Exception] = {}
        self.gate_passed = True
        self._patch = monkeypatch
        self._installed: dict[str, ModuleType] = {}
        self._install("extract", "run", lambda: Extracted({"interactions": 4}))
        self._install("features", "run", lambda: Built("snap"))
        self._install("training", "run", lambda: Trained(7, trained=True))
        self._install("evaluation", "run", self._evaluated)
        self._install("registry", "promote", lambda: Promoted(7, changed=True))
        self._install("registry", "snapshot_in_production", lambda: "learned-from")

    def _evaluated(self) -> Evaluated:
        rule = {"rule": "auc", "value": 0.9, "threshold": 0.75, "passed": self.gate_passed}
        return Evaluated(
            {"auc": 0.9},
            {"passed": self.gate_passed, "reasons": [rule]},
            production={"version": 6, "auc": 0.85},
            differences={"popularity": [0.2, 0.1, 0.3], "production": [0.02, 0.01, 0.03]},
        )

    def _install(self, room: str, verb: str, result: Any) -> None:
        def step(settings: Any, **arguments: Any) -> Any:
            self.settings[room] = settings
            if arguments:
                self.calls[room] = arguments
            if room in self.raises:
                raise self.raises[room]
            return result()

        name = f"movie_recommender.{room}"
        module = self._installed.setdefault(name, ModuleType(name))
        setattr(module, verb, step)
        self._patch.setitem(sys.modules, module.__name__, module)
        self._patch.setattr(movie_recommender, room, module, raising=False)
