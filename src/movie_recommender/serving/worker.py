"""One worker: answers, and takes up what the keeper has fetched."""

import asyncio
import ctypes
import logging
import os
import random
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import pyarrow as pa
import uvicorn
from fastapi import FastAPI

from movie_recommender.errors import MovieRecommenderError
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.access import Door
from movie_recommender.serving.app import create_app
from movie_recommender.serving.cache import CacheFolder, ModelState, StoreState, WorkerState
from movie_recommender.serving.claims import Claims
from movie_recommender.serving.context import Context
from movie_recommender.serving.delivery import Delivery
from movie_recommender.serving.impressions import Impressions
from movie_recommender.serving.journal import Journal
from movie_recommender.serving.metrics import MODEL, NEWEST_MODEL
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.patience import patient_protocol
from movie_recommender.serving.room import Room
from movie_recommender.serving.seen import Seen
from movie_recommender.serving.service import Service
from movie_recommender.serving.shadow import Shadow
from movie_recommender.serving.traces import traced
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often a worker looks whether there is something new in the folder."""
GRACE_S = 10
"""How long a request that is under way may take when the worker ends."""
KEEP_ALIVE_S = 75

_M_ARENA_MAX = -8  # malloc.h


class Follower:
    """Keeps a service at what the folder says; loads beside, swaps a reference.

    Args:
        service: of this worker.
        folder: which the keeper fills.
        number: of this worker.
    """

    def __init__(self, service: Service, folder: CacheFolder, *, number: int) -> None:
        self._service = service
        self._folder = folder
        self._number = number
        self._stamp: tuple[int, int] | None = None
        self._model, self._store = ModelState(), StoreState()
        self._errors: dict[str, str] = {}

    async def run(self) -> None:
        """Follow as long as the parent lives; a worker without one ends as if it were asked to."""
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(LOOK_S)
            await self.follow()
        os.kill(os.getpid(), signal.SIGTERM)

    async def follow(self) -> None:
        """Take up what is new, if anything is."""
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        model, store = self._folder.model(), self._folder.store()
        if store.path not in (None, self._store.path):
            await self._guarded("store", f"snapshot {store.snapshot_id}", self._use_store(store))
        if model.path not in (None, self._model.path):
            await self._guarded("model", f"version {model.version}", self._use_model(model))
        self._service.notes = self._notes(model, store)
        self._say()

    async def _use_model(self, state: ModelState) -> None:
        def load() -> tuple[ServedModel, Seen | None]:
            model = ServedModel(self._folder.path / str(state.path), version=state.version or 0)
            pa.default_memory_pool().release_unused()
            _trim()  # reading has left more free memory behind than the model takes
            own = self._service.needs_contacts
            return model, self._service.read_contacts(model.contacts) if own else None

        model, seen = await asyncio.to_thread(load)
        self._service.use_model(model, seen)
        self._model = state
        MODEL.set(model.version)
        NEWEST_MODEL.set(model.version)
        logger.info("worker=%s serves version=%s", self._number, model.version)

    async def _use_store(self, state: StoreState) -> None:
        def load() -> Seen:
            contacts = Contacts.open(self._folder.path / str(state.path))
            return self._service.read_contacts(contacts)

        self._service.use_store(await asyncio.to_thread(load))
        self._store = state
        logger.info("worker=%s knows snapshot=%s", self._number, state.snapshot_id)

    async def _guarded(self, what: str, name: str, use: Awaitable[None]) -> None:
        """What can't be loaded changes nothing; another state is another try."""
        self._errors.pop(what, None)
        try:
            await use
        except (MovieRecommenderError, OSError, ValueError, KeyError) as error:
            logger.exception("worker=%s stays with the %s before", self._number, what)
            self._errors[what] = f"{name}: {error}"

    def _notes(self, model: ModelState, store: StoreState) -> dict[str, str]:
        """What is gone, as a reason says it."""
        notes = {}
        if model.gone is not None and model.version is not None:
            notes["registry"] = f"{model.gone}: version {model.version} is the last good one"
        seen = self._service.seen
        if store.gone is not None and seen is not None:
            notes["store"] = f"feature store gone: contacts up to {seen.contacts.as_of}"
        return notes

    def _say(self) -> None:
        loaded, seen = self._service.loaded, self._service.seen
        state = WorkerState(
            pid=os.getpid(),
            version=None if loaded is None else loaded.version,
            snapshot_id=None if seen is None else seen.contacts.snapshot_id,
            error="; ".join(self._errors.values()) or None,
        )
        self._folder.say_worker(self._number, state)


def run(
    settings: Settings,
    folder: CacheFolder,
    listening: socket.socket,
    *,
    number: int,
    clock: Callable[[], datetime],
    door: Door,
) -> None:
    """Serve on `listening` until SIGTERM; what is under way is answered first.

    Args:
        settings: the process's settings.
        folder: which the keeper fills.
        listening: this worker's own socket.
        number: of this worker, from 0.
        clock: tells the time.
        door: the same for every worker.
    """
    _share_the_heap()
    service = Service(Journal(folder.journal), clock=clock)
    follower = Follower(service, folder, number=number)
    shadow = _shadow(service, folder, share=settings.serving_shadow_share)
    delivery, impressions = Delivery(settings), Impressions(settings)
    claims = Claims(folder.claims)
    context = Context(settings, folder, service, delivery, impressions, door, claims, shadow)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await follower.follow()  # a worker that takes another's place answers at once
        following = asyncio.create_task(follower.run())
        if shadow is not None:
            shadow.start()
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await asyncio.to_thread(context.impressions.close)
        await asyncio.to_thread(context.delivery.close)
        if shadow is not None:
            await asyncio.to_thread(shadow.close)
        claims.close()

    room = Room()
    app = create_app(
        context,
        room=room,
        metrics_directory=folder.metrics,
        lifespan=lifespan,
    )
    served = traced(app.asgi, settings, version=service.version)
    config = uvicorn.Config(
        served,
        http=patient_protocol(
            settings.serving_client_timeout_s,
            max_body_bytes=settings.serving_max_body_bytes,
            room=room,
            at_once=app.at_once if served is app.asgi else None,
        ),
        ws="none",
        loop="uvloop",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _shadow(service: Service, folder: CacheFolder, *, share: float) -> Shadow | None:
    """None where no list is ranked twice, or where nobody could say how that went."""
    if share == 0:
        return None
    try:
        return Shadow(service, folder, share=share, draw=random.Random().random)
    except sqlite3.Error as error:
        logger.warning("there is no shadow: %s: %s", folder.shadow_lists, error)
        return None


def _trim() -> None:
    """Give free memory back to the system, where the C library can."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _share_the_heap() -> None:
    """Have Kafka's threads, which allocate little, share one heap.

    glibc gives each thread one of its own, which keeps what is freed: some 20 MB in all. Another C
    library has no such function and no such heaps.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
