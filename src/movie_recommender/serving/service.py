"""What a worker answers from: a model, what is known about users, and what has been answered."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.explain import Explained, explain
from movie_recommender.serving.journal import Contact, Journal
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.problems import no_model
from movie_recommender.serving.query import Query
from movie_recommender.serving.recent import Recent
from movie_recommender.serving.recommender import Asker, Ranking, asker, rank, rank_for
from movie_recommender.serving.seen import Known, Seen

MAX_ANSWERS = 1_000
"""Answers that are kept; some 2 KB each."""
MAX_ASKERS = 8_000
"""Users who are kept as the model takes them; some 2 KB each."""
MAX_SEEN = 1_000
"""Who has met more movies isn't kept, and is looked at anew for each list."""

_State = tuple[int, int, tuple[str, int]]
"""A user, how often model or store were swapped, and the stamp of what is known about him."""


@dataclass(frozen=True)
class Answer:
    """A list as it is sent.

    Attributes:
        user_id: whose.
        version: of the model.
        reason: why it is this one.
        movie_ids: (n), best first.
        items: JSON of the list.
        cached: whether it was ranked for an earlier request.
    """

    user_id: int
    version: int
    reason: str
    movie_ids: list[int]
    items: bytes
    cached: bool = False

    @property
    def kind(self) -> str:
        """The first part of the reason: one of a few, whatever was asked."""
        return self.reason.partition(";")[0]

    def body(self, impression_id: str | None) -> bytes:
        """JSON of the whole."""
        head = {
            "user_id": self.user_id,
            "model_version": self.version,
            "impression_id": impression_id,
            "reason": self.reason,
        }
        return b'%b,"items":%b}' % (orjson.dumps(head)[:-1], self.items)


class Service:
    """Answers of one worker; not for several threads at once, but for `model`.

    Args:
        journal: of this machine's workers.
        clock: tells the time.
    """

    def __init__(self, journal: Journal, *, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.notes: dict[str, str] = {}
        """What is gone, by name: a part of every reason."""
        self._journal = journal
        self._model: ServedModel | None = None
        self._seen: Seen | None = None
        self._from_store = False
        self._swaps = 0
        self._answers: Recent[Hashable, Answer] = Recent(MAX_ANSWERS)
        self._askers: Recent[_State, Asker] = Recent(MAX_ASKERS)

    @property
    def loaded(self) -> ServedModel | None:
        """The model, or None while there is none."""
        return self._model

    @property
    def model(self) -> ServedModel:
        """The model.

        Raises:
            Problem: there is none yet.
        """
        if self._model is None:
            raise no_model()
        return self._model

    def version(self) -> int | None:
        """The model's version; None while there is none."""
        return None if self._model is None else self._model.version

    @property
    def seen(self) -> Seen | None:
        """What is known about users; None while neither a store nor a model was loaded."""
        return self._seen

    def read_contacts(self, contacts: Contacts) -> Seen:
        """Contacts with all that the journal has beside them; may run in another thread."""
        seen = Seen(contacts, self._journal.reader())
        seen.catch_up(now=self.clock())
        return seen

    def use_model(self, model: ServedModel, seen: Seen | None) -> None:
        """From now on answer by `model`; `seen` is of its own contacts, for want of a store's."""
        self._model = model
        self._swaps += 1
        if seen is not None and not self._from_store:
            self._use(seen)

    def use_store(self, seen: Seen) -> None:
        """From now on know what the feature store knows."""
        self._from_store = True
        self._use(seen)

    @property
    def needs_contacts(self) -> bool:
        """Whether no store was loaded, so that a model's own contacts have to do."""
        return not self._from_store

    def recommend(self, user_id: int, query: Query) -> Answer:
        """A list, ranked now, or kept from a request that nothing has happened since.

        Raises:
            Problem: there is no model yet.
        """
        model, seen, notes = self.model, self._caught_up(), tuple(self.notes.values())
        state = user_id, self._swaps, seen.stamp(user_id)
        key = state, query.k, query.filters, query.exclude_seen, notes
        answer = self._answers.get(key)
        if answer is None:
            who = self._askers.get(state)
            if who is None:
                who = asker(model, user_id, seen.of(user_id))
                if len(who.seen) <= MAX_SEEN:
                    self._askers.put(state, who)
            answer = _answer(model, user_id, rank_for(model, who, query), notes)
            self._answers.put(key, replace(answer, cached=True))
        return answer

    def explain(self, user_id: int, query: Query) -> tuple[Ranking, Known, list[Explained]]:
        """The list of `recommend`, what it was made from, and each of its movies taken apart.

        Raises:
            Problem: there is no model yet.
        """
        model, known = self.model, self.known(user_id)
        ranking = rank(model, user_id, known, query)
        has_history = len(model.rows(known.liked)) > 0
        parts = explain(model, user_id, known, ranking.rows) if has_history else []
        return ranking, known, parts

    def known(self, user_id: int) -> Known:
        """What is known about a user at this moment.

        Raises:
            Problem: there is no model yet.
        """
        return self._caught_up().of(user_id)

    def add(self, contact: Contact) -> None:
        """Have a confirmed contact count from the next answer on, of every worker.

        Raises:
            OSError: the disk refused.
        """
        self._journal.append(contact, now=self.clock())

    def _caught_up(self) -> Seen:
        if self._seen is None:
            raise no_model()
        self._seen.catch_up(now=self.clock())
        return self._seen

    def _use(self, seen: Seen) -> None:
        self._swaps += 1
        if self._seen is not None:
            self._seen.close()
        self._seen = seen


def _answer(model: ServedModel, user_id: int, ranking: Ranking, notes: tuple[str, ...]) -> Answer:
    rendered = model.catalogue.rendered
    items = [
        b'%b,"score":%.4f}' % (rendered(row)[:-1], score)
        for row, score in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
    ]
    movie_ids = model.catalogue.movie_ids[ranking.rows].tolist()
    reason = "; ".join([ranking.reason, *notes])
    return Answer(user_id, model.version, reason, movie_ids, b"[%b]" % b",".join(items))
