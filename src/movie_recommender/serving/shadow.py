"""A candidate that ranks beside production for a share of the lists, and is never shown.

A list that was shown lies in a bounded queue until a thread ranks the same request by the shadow:
no answer waits for it, and whatever it does wrong is counted here and reaches nobody. The thread
loads it, too. The pairs of lists are kept where every worker finds them, and what a user likes is
looked for in the newest that he was shown before. Likes come from the journal, which holds every
worker's, too.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from movie_recommender.errors import MovieRecommenderError
from movie_recommender.serving.cache import CacheFolder, ModelState
from movie_recommender.serving.journal import Contact, Journal, JournalReader
from movie_recommender.serving.metrics import (
    SHADOW_AGREEMENT,
    SHADOW_LIKES,
    SHADOW_LISTS,
    SHADOW_SECONDS,
)
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.seen import Known
from movie_recommender.serving.service import Answer, Service
from movie_recommender.serving.shadow_lists import Pair, ShadowLists

logger = logging.getLogger(__name__)

MAX_WAITING = 200
"""Lists that wait for the shadow; further ones are dropped and counted."""
COMPARED = 50
"""Movies of a list that are compared, at most: some 6 KB a pair."""
_PAUSE_S, _BREATH_S = 0.05, 0.001


@dataclass(frozen=True)
class _Asked:
    """A list that was shown, and all that the shadow needs to rank it, too."""

    user_id: int
    query: Query
    known: Known
    version: int
    movie_ids: Sequence[int]
    shown_us: int


class Shadow:
    """The shadow of one worker.

    Args:
        service: knows the users.
        folder: says which bundle to rank by, and holds the journal of this machine's workers.
        share: of the lists to rank twice, 0 to 1.
        draw: a random number from 0, below 1.

    Raises:
        sqlite3.OperationalError: the file of the lists is busy, or there is no room for it.
    """

    def __init__(
        self, service: Service, folder: CacheFolder, *, share: float, draw: Callable[[], float]
    ) -> None:
        self._service = service
        self._folder = folder
        self._share = share
        self._draw = draw
        self._state = ModelState()
        self._model: ServedModel | None = None
        self._waiting: deque[_Asked] = deque()
        self._lists = ShadowLists(folder.shadow_lists)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="shadow", daemon=True)

    @property
    def version(self) -> int | None:
        """Of the model that ranks, or None."""
        return None if self._model is None else self._model.version

    def start(self) -> None:
        """Work beside the requests until `close`."""
        self._thread.start()

    def close(self) -> None:
        """End; what waits is dropped."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._lists.close()

    def put(self, query: Query, answer: Answer) -> None:
        """Have the request of a shown list ranked some time soon, if it is of the share."""
        if self._model is None or self._draw() >= self._share:
            return
        if len(self._waiting) >= MAX_WAITING:
            SHADOW_LISTS.labels("dropped").inc()
            return
        known = self._service.known(answer.user_id)
        shown_us = int(self._service.clock().timestamp() * 1_000_000)
        asked = _Asked(answer.user_id, query, known, answer.version, answer.movie_ids, shown_us)
        self._waiting.append(asked)

    def follow(self) -> None:
        """Rank by what the folder says from now on; by nothing where that can't be loaded."""
        state = self._folder.shadow()
        if state == self._state:
            return
        self._state, self._model = state, None
        if state.path is None or state.version is None:
            return
        try:
            self._model = ServedModel(self._folder.path / state.path, version=state.version)
            logger.info("shadow version=%s ranks, too", state.version)
        except (MovieRecommenderError, OSError, ValueError, KeyError):
            logger.exception("shadow version=%s can't be loaded", state.version)

    def rank_waiting(self, n: int) -> None:
        """Rank the first `n` that wait, and keep the pairs; a pause lets answers go first."""
        for _ in range(n):
            asked, model = self._waiting.popleft(), self._model
            if self._stop.wait(_BREATH_S) or model is None or model.version == asked.version:
                continue
            try:
                self._compare(model, asked)
            except Exception:
                logger.exception("shadow version=%s ranks nothing any more", model.version)
                SHADOW_LISTS.labels("failed").inc()
                self._model = None

    def count(self, contact: Contact) -> None:
        """A confirmed contact: if it is a like that nobody has counted, see whose list had it."""
        pair = self._lists.claim(contact) if contact.liked else None
        if pair is None:
            return
        SHADOW_LIKES.labels(*pair.versions, pair.where(contact.movie_id)).inc()

    def _compare(self, model: ServedModel, asked: _Asked) -> None:
        began = time.perf_counter()
        ranking = rank(model, asked.user_id, asked.known, asked.query)
        took = time.perf_counter() - began
        movie_ids = model.catalogue.movie_ids[ranking.rows[:COMPARED]].tolist()
        versions = str(asked.version), str(model.version)
        shown = frozenset(asked.movie_ids[:COMPARED])
        pair = Pair(asked.user_id, asked.shown_us, versions, shown, frozenset(movie_ids))
        SHADOW_SECONDS.labels(versions[1]).observe(took)
        SHADOW_AGREEMENT.labels(*versions).observe(pair.agreement)
        SHADOW_LISTS.labels("ranked").inc()
        self._lists.add(pair)

    def _serve(self) -> None:
        with closing(Journal(self._folder.journal).reader()) as reader:
            while not self._stop.wait(_PAUSE_S):
                try:
                    self._turn(reader)
                except Exception:  # another turn may go well, and answers must
                    logger.exception("the shadow's turn failed")

    def _turn(self, reader: JournalReader) -> None:
        self.follow()
        self.rank_waiting(len(self._waiting))
        for contact in reader.new(now=self._service.clock()):
            if self._stop.is_set():
                return
            self.count(contact)
