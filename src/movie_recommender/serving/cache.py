"""The folder between the keeper, which fetches, and the workers, which serve.

    bundles/VERSION-RUN/       checked bundles, the newest few
    stores/SNAPSHOT.safetensors    contacts of the feature store, the newest few
    journal/                   contacts since then
    claims.sqlite              which event each idempotency key of the last day stands for
    shadow-lists.sqlite        lists that a shadow ranked, too, and the likes found in them
    model.json, store.json     which of them to serve; written whole, by a rename
    shadow.json                which bundle to rank with beside it
    workers/N.json             what worker N serves
    reload                     touched by who wants the keeper to look at once

All of it may be deleted while nothing runs: it is fetched again, but for the journal, whose
contacts count again after the next feature build.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

KEEP = 3
"""Bundles and stores that stay: a worker may still be loading the one before."""


@dataclass(frozen=True)
class ModelState:
    """Which bundle to serve.

    Attributes:
        version: of the registered model; None: none was ever fetched.
        path: of its bundle, in the folder.
        gone: why the registry doesn't name it any more, or doesn't answer; None: it does.
        refused: why a newer production version isn't served; None: there is none, or it is.
    """

    version: int | None = None
    path: str | None = None
    gone: str | None = None
    refused: str | None = None


@dataclass(frozen=True)
class StoreState:
    """Which contacts to serve.

    Attributes:
        snapshot_id: of the feature store; None: none was ever read.
        path: of its contacts, in the folder.
        gone: why the published file can't be read; None: it can.
        refused: why contacts from before it are served; None: they aren't.
    """

    snapshot_id: str | None = None
    path: str | None = None
    gone: str | None = None
    refused: str | None = None


@dataclass(frozen=True)
class WorkerState:
    """What a worker serves: a model's version, a store's snapshot, and what it couldn't load."""

    pid: int = 0
    version: int | None = None
    snapshot_id: str | None = None
    error: str | None = None


State = TypeVar("State", ModelState, StoreState, WorkerState)


class CacheFolder:
    """The folder of one model.

    Args:
        path: is made if it isn't there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in (self.bundles, self.stores, self.workers):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def bundles(self) -> Path:
        """Of checked bundles."""
        return self.path / "bundles"

    @property
    def stores(self) -> Path:
        """Of stores' contacts."""
        return self.path / "stores"

    @property
    def journal(self) -> Path:
        """Of contacts since."""
        return self.path / "journal"

    @property
    def claims(self) -> Path:
        """File of idempotency keys."""
        return self.path / "claims.sqlite"

    @property
    def shadow_lists(self) -> Path:
        """File of the lists that were ranked twice."""
        return self.path / "shadow-lists.sqlite"

    @property
    def workers(self) -> Path:
        """Of the workers' states."""
        return self.path / "workers"

    @property
    def metrics(self) -> Path:
        """Of the workers' counters."""
        return self.path / "metrics"

    def model(self) -> ModelState:
        """Which bundle to serve; empty where it was never said or can't be read."""
        return self._read("model.json", ModelState)

    def shadow(self) -> ModelState:
        """Which bundle to rank with beside it; empty where none is to."""
        return self._read("shadow.json", ModelState)

    def store(self) -> StoreState:
        """Which contacts to serve; empty where it was never said or can't be read."""
        return self._read("store.json", StoreState)

    def say(self, state: ModelState | StoreState) -> None:
        """Put a state in place of the last one."""
        self._write("model.json" if isinstance(state, ModelState) else "store.json", state)

    def say_shadow(self, state: ModelState) -> None:
        """Put which bundle to rank with beside it in place of the last one."""
        self._write("shadow.json", state)

    def stamp(self) -> tuple[int, int]:
        """Another one whenever a state was said, but for the shadow's."""
        return _changed(self.path / "model.json"), _changed(self.path / "store.json")

    def say_worker(self, number: int, state: WorkerState) -> None:
        """Tell what worker `number` serves."""
        self._write(f"workers/{number}.json", state)

    def worker_states(self) -> list[WorkerState]:
        """What each worker serves, those that died without a successor too."""
        names = sorted(path.name for path in self.workers.glob("*.json"))
        states = [self._read(f"workers/{name}", WorkerState) for name in names]
        return [state for state in states if state.pid]

    def begin(self) -> None:
        """Forget the workers of an earlier start, and their counters."""
        for folder in (self.workers, self.metrics):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def ask_reload(self) -> None:
        """Have the keeper look at the registry and the store at once."""
        (self.path / "reload").touch()

    def reload_asked(self) -> int:
        """Another number whenever somebody asked."""
        return _changed(self.path / "reload")

    def tidy(self, folder: Path, *keep: str | None) -> None:
        """Delete all but the newest few in `folder`, and never `keep`, paths in this one."""
        newest = sorted(folder.iterdir(), key=_changed, reverse=True)
        for path in newest[KEEP:]:
            if path.relative_to(self.path).as_posix() in keep:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _read(self, name: str, kind: type[State]) -> State:
        try:
            return kind(**json.loads((self.path / name).read_text()))
        except (OSError, ValueError, TypeError):
            return kind()

    def _write(self, name: str, state: ModelState | StoreState | WorkerState) -> None:
        path = self.path / name
        temporary = path.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps(asdict(state)))
        temporary.replace(path)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
