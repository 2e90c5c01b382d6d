"""The process beside the workers: fetches what they serve and puts it where they find it.

It asks MLflow for the alias `production` every few seconds and looks whether the feature store's
file is another one. A new bundle is checked before any worker hears of it. When MLflow or the store
is gone, what was fetched last stays, also over a restart.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from movie_recommender.errors import MovieRecommenderError, NotReadyError, RegistryError
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.cache import CacheFolder, ModelState, StoreState
from movie_recommender.serving.journal import Journal
from movie_recommender.serving.registry_api import SHADOW, Production, RegistryApi
from movie_recommender.serving.seen import LATEST
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

_A_DAY = timedelta(days=1)
TICK_S = 0.1
"""How often it looks whether somebody asked for a reload."""

_processes = multiprocessing.get_context("fork")


class Keeper:
    """Keeps one folder up to date.

    Args:
        settings: the registry, the model's name and the store's path.
        folder: for the workers.
    """

    def __init__(self, settings: Settings, folder: CacheFolder) -> None:
        self._settings = settings
        self._folder = folder
        self._registry = RegistryApi(settings)
        self._refused: dict[Production, str] = {}
        self._store_stamp: tuple[int, ...] | None = None
        self._reading: BaseProcess | None = None

    def run(self) -> None:
        """Look at both, for ever; SIGTERM ends it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        parent = os.getppid()
        asked, due = 0, 0.0
        while os.getppid() == parent:  # a killed parent leaves no keeper behind
            now_asked = self._folder.reload_asked()
            if now_asked != asked or time.monotonic() >= due:
                asked, due = now_asked, time.monotonic() + self._settings.serving_reload_s
                self.look()
            time.sleep(TICK_S)

    def look(self) -> None:
        """Look at the registry and at the store once."""
        state = self._folder.model()
        found = self._model(state)
        if found != state:
            logger.info("serving model: %s", found)
            self._folder.say(found)
            self._folder.tidy(self._folder.bundles, found.path, self._folder.shadow().path)
        self._look_at_shadow(found)
        self._look_at_store()

    def _model(self, state: ModelState) -> ModelState:
        """Which bundle to serve now, fetched and checked."""
        try:
            production = self._registry.production()
            if production is None:
                return replace(state, gone="MLflow names no production version", refused=None)
            return self._fetched(production, state)
        except RegistryError as error:
            return replace(state, gone=None, refused=str(error))
        except NotReadyError as error:
            gone = f"MLflow doesn't answer at {self._registry.url}"
            if state.gone != gone:  # said once, not every few seconds
                logger.warning("%s", error)
            return replace(state, gone=gone)

    def _fetched(self, production: Production, state: ModelState) -> ModelState:
        path = self._folder.bundles / production.folder
        if state.path == self._relative(path) and path.exists():
            return replace(state, gone=None, refused=None)
        if production not in self._refused:  # damaged files don't get better by being asked for
            try:
                self._fetch(production, path)
                return ModelState(production.version, self._relative(path))
            except (RegistryError, OSError) as error:
                refused = f"version {production.version}: {error}"
                if state.refused != refused:  # said once, not at every look
                    logger.error("version=%s isn't served: %s", production.version, error)  # noqa: TRY400
                if isinstance(error, OSError):  # of this machine, and may pass: asked for again
                    return replace(state, gone=None, refused=refused)
                self._refused[production] = refused
        return replace(state, gone=None, refused=self._refused[production])

    def _look_at_shadow(self, production: ModelState) -> None:
        """Fetch the version that ranks beside production; what fails there leaves none."""
        state = self._folder.shadow()
        try:
            named = self._registry.named(SHADOW) if self._settings.serving_shadow_share else None
            if named is None or named.version == production.version:
                found = ModelState()
            else:
                known = state if state.version == named.version else ModelState()
                found = self._fetched(named, known)
        except NotReadyError:
            return
        except RegistryError as error:
            found = ModelState(refused=str(error))
        if found != state:
            logger.info("shadow: %s", found)
            self._folder.say_shadow(found)
            self._folder.tidy(self._folder.bundles, production.path, found.path)

    def _fetch(self, production: Production, path: Path) -> None:
        """Download and check beside, then one rename."""
        if path.exists():
            return
        aside = path.with_name(f".{path.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            self._registry.download(production, aside)
            aside.rename(path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _look_at_store(self) -> None:
        """Have a changed file read by a process of its own, whose memory goes with it."""
        if self._reading is not None and self._reading.is_alive():
            return
        path = self._settings.feature_store_path
        try:
            found = path.stat()
        except OSError as error:
            self._store_stamp = None
            gone = f"the feature store {path} can't be read ({error.strerror})"
            self._say_store(replace(self._folder.store(), gone=gone))
            return
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp != self._store_stamp:
            self._store_stamp = stamp
            self._reading = _processes.Process(target=self.read_store, daemon=True)
            self._reading.start()

    def read_store(self) -> None:
        """Make the published store's contacts what the workers serve."""
        # Here and not above: what reads a store takes more memory than all else that serves.
        from movie_recommender.features.store import FeatureStore
        from movie_recommender.serving.export import export_contacts

        state = self._folder.store()
        try:
            with FeatureStore.open(self._settings.feature_store_path) as store:
                snapshot = store.snapshot
                served = self._served_as_of(state)
                if snapshot.as_of < served:
                    # A run for an older day was repeated: what was met since stays met.
                    refused = (
                        f"the published store is of {snapshot.as_of:%Y-%m-%d %H:%M}, contacts up "
                        f"to {served:%Y-%m-%d %H:%M} stay. To go back, delete store.json in "
                        f"{self._folder.path} while serving is stopped."
                    )
                    self._say_store(replace(state, gone=None, refused=refused))
                    return
                path = self._folder.stores / f"{snapshot.id}.safetensors"
                if not path.exists():
                    export_contacts(store, path)
        except (MovieRecommenderError, OSError) as error:
            logger.warning("the store isn't served: %s", error)
            self._say_store(replace(state, gone=str(error)))
            return
        self._say_store(StoreState(snapshot.id, self._relative(path)))
        Journal(self._folder.journal).forget((snapshot.as_of - LATEST - _A_DAY).date())
        self._folder.tidy(self._folder.stores, self._relative(path))

    def _served_as_of(self, state: StoreState) -> datetime:
        """Up to when the contacts that are served go."""
        if state.path is None:
            return datetime.min.replace(tzinfo=UTC)
        try:
            return datetime.fromisoformat(Contacts.open(self._folder.path / state.path).as_of)
        except RegistryError:  # damaged, or of an earlier code: any snapshot is better
            return datetime.min.replace(tzinfo=UTC)

    def _say_store(self, state: StoreState) -> None:
        if state != self._folder.store():
            logger.info("serving store: %s", state)
            self._folder.say(state)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()
