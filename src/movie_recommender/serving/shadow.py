"""A candidate that ranks beside production for a share of the lists, and is never shown.

A list that was shown lies in a bounded queue until a thread ranks the same request by the shadow:
no answer waits for it, and whatever it does wrong is counted here and reaches nobody. The thread
loads it, too. Of each user the newest pair of lists is kept, and what he likes afterwards is looked
for in both. Likes come from the journal, which holds every worker's.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

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

logger = logging.getLogger(__name__)

MAX_WAITING = 200
"""Lists that wait for the shadow; further ones are dropped and counted."""
MAX_PAIRS = 2_000
"""Users whose newest pair of lists is kept."""
COMPARED = 50
"""Movies of a list that are compared, at most: some 6 KB a pair."""
_PAUSE_S, _BREATH_S = 0.05, 0.001

Where = Literal["both", "production", "shadow", "neither"]


@dataclass(frozen=True)
class _Asked:
    """A list that was shown, and all that the shadow needs to rank it, too."""

    user_id: int
    query: Query
    known: Known
    version: int
    movie_ids: Sequence[int]


@dataclass(frozen=True)
class _Pair:
    """Two lists for the same request."""

    versions: tuple[str, str]
    production: frozenset[int]
    shadow: frozenset[int]
    liked: set[int] = field(default_factory=set)

    @property
    def agreement(self) -> float:
        """Share of production's movies that the shadow has, too; 1 where both have none."""
        if not self.production:
            return 1.0
        return len(self.production & self.shadow) / len(self.production)

    def where(self, movie_id: int) -> Where:
        """Whose list has the movie."""
        ours, other = movie_id in self.production, movie_id in self.shadow
        if ours and other:
            return "both"
        return "production" if ours else "shadow" if other else "neither"


class Shadow:
    """The shadow of one worker.

    Args:
        service: knows the users.
        folder: says which bundle to rank by, and holds the journal of this machine's workers.
        share: of the lists to rank twice, 0 to 1.
        draw: a random number from 0, below 1.
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
        self._pairs: OrderedDict[int, _Pair] = OrderedDict()
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

    def put(self, query: Query, answer: Answer) -> None:
        """Have the request of a shown list ranked some time soon, if it is of the share."""
        if self._model is None or self._draw() >= self._share:
            return
        if len(self._waiting) >= MAX_WAITING:
            SHADOW_LISTS.labels("dropped").inc()
            return
        known = self._service.known(answer.user_id)
        asked = _Asked(answer.user_id, query, known, answer.version, answer.movie_ids)
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
        """A confirmed contact: if it is a like, see whose list had the movie."""
        pair = self._pairs.get(contact.user_id)
        if pair is None or not contact.liked or contact.movie_id in pair.liked:
            return
        pair.liked.add(contact.movie_id)
        SHADOW_LIKES.labels(*pair.versions, pair.where(contact.movie_id)).inc()

    def _compare(self, model: ServedModel, asked: _Asked) -> None:
        began = time.perf_counter()
        ranking = rank(model, asked.user_id, asked.known, asked.query)
        took = time.perf_counter() - began
        movie_ids = model.catalogue.movie_ids[ranking.rows[:COMPARED]].tolist()
        versions = str(asked.version), str(model.version)
        pair = _Pair(versions, frozenset(asked.movie_ids[:COMPARED]), frozenset(movie_ids))
        SHADOW_SECONDS.labels(versions[1]).observe(took)
        SHADOW_AGREEMENT.labels(*versions).observe(pair.agreement)
        SHADOW_LISTS.labels("ranked").inc()
        self._pairs.pop(asked.user_id, None)
        self._pairs[asked.user_id] = pair
        if len(self._pairs) > MAX_PAIRS:
            self._pairs.popitem(last=False)

    def _serve(self) -> None:
        with closing(Journal(self._folder.journal).reader()) as reader:
            while not self._stop.wait(_PAUSE_S):
                try:
                    self._turn(reader)
                except Exception:  # another turn may go well, and answers must
                    logger.exception("the shadow's turn failed")

    def _turn(self, reader: JournalReader) -> None:
        self.follow()
        n = len(self._waiting)
        # Before they are ranked: a like that led to a new list is about the one before.
        for contact in reader.new(now=self._service.clock()):
            self.count(contact)
        self.rank_waiting(n)
