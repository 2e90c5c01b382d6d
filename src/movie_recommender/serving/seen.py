"""Whom serving knows: what each user met and liked, up to the event that was posted last."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.contacts import Contacts, Person
from movie_recommender.serving.journal import Contact, JournalReader

Ints = npt.NDArray[np.int64]

MAX_EVENTS = 200_000
"""Contacts since the snapshot that are kept; some 40 MB of memory."""
LATEST = timedelta(days=2)
"""So long after its time an event has reached the lake, or has become a dead letter."""


@dataclass(frozen=True)
class Known:
    """What is known about a user at a moment.

    Attributes:
        person: his side features.
        liked: (n,) ids of the movies that he liked, oldest first.
        unliked: (m,) ids of the others that he met.
        stamp: another one whenever any of it is another.
    """

    person: Person
    liked: Ints
    unliked: Ints
    stamp: tuple[str, int]

    @property
    def seen(self) -> Ints:
        """(n + m,) ids of all movies that he met."""
        return np.concatenate([self.liked, self.unliked])


def known_from(contacts: Contacts, user_id: int) -> Known:
    """What a snapshot knows about a user."""
    row = contacts.row(user_id)
    if row is None:
        nothing = np.empty(0, np.int64)
        return Known(Person(), nothing, nothing, (contacts.snapshot_id, 0))
    met, liked = contacts.met(row)
    return Known(contacts.person(row), met[liked], met[~liked], (contacts.snapshot_id, 0))


@dataclass(slots=True)
class _Since:
    """What a user did since: his movies, whether he likes each, oldest first; the newest change."""

    likes: dict[int, bool] = field(default_factory=dict)
    changed: int = 0


class Seen:
    """A snapshot's contacts and those that came since.

    Another snapshot is another object: what it covers of the journal is left out as the journal is
    read, so that the overlay never holds what both have. The last word counts: a bad rating takes
    a like back, the snapshot's too, and a later like brings it again. Not for several threads at
    once.

    Args:
        contacts: of the snapshot.
        reader: of the journal, from its beginning.
    """

    def __init__(self, contacts: Contacts, reader: JournalReader) -> None:
        self.contacts = contacts
        self.forgotten = 0
        """Contacts that were dropped because there were more than `MAX_EVENTS`."""
        self._reader = reader
        self._since: dict[int, _Since] = {}
        """By user, the longest silent first."""
        self._n_events = self._n_changes = 0
        as_of = datetime.fromisoformat(contacts.as_of)
        self._too_old_us = int((as_of - LATEST).timestamp() * 1e6)

    @property
    def n_events(self) -> int:
        """Contacts that came since the snapshot."""
        return self._n_events

    def close(self) -> None:
        """Let go of the journal's files."""
        self._reader.close()

    def catch_up(self, *, now: datetime) -> None:
        """Take in what was appended to the journal since the last call."""
        for contact in self._reader.new(now=now):
            self._add(contact)

    def stamp(self, user_id: int) -> tuple[str, int]:
        """`Known.stamp` of a user."""
        since = self._since.get(user_id)
        return self.contacts.snapshot_id, 0 if since is None else since.changed

    def of(self, user_id: int) -> Known:
        """What is known about a user; of one who isn't known nothing."""
        known = known_from(self.contacts, user_id)
        since = self._since.get(user_id)
        if since is None:
            return known
        new = np.array(list(since.likes), np.int64)
        likes = np.array(list(since.likes.values()), np.bool_)
        return Known(
            known.person,
            np.concatenate([known.liked[~np.isin(known.liked, new)], new[likes]]),
            np.concatenate([known.unliked[~np.isin(known.unliked, new)], new[~likes]]),
            self.stamp(user_id),
        )

    def _add(self, contact: Contact) -> None:
        before = self._likes(contact.user_id, contact.movie_id)
        changes = before is None or (contact.liked and not before) or (contact.disliked and before)
        if contact.time_us < self._too_old_us or not changes:
            return
        since = self._since.pop(contact.user_id, None) or _Since()
        self._since[contact.user_id] = since
        self._n_events += contact.movie_id not in since.likes
        since.likes.pop(contact.movie_id, None)  # it is the newest of his movies now
        since.likes[contact.movie_id] = contact.liked
        self._n_changes += 1
        since.changed = self._n_changes
        while self._n_events > MAX_EVENTS:
            self._forget()

    def _likes(self, user_id: int, movie_id: int) -> bool | None:
        """Whether a user likes a movie, as far as is known; None: he hasn't met it."""
        since = self._since.get(user_id)
        if since is not None and movie_id in since.likes:
            return since.likes[movie_id]
        row = self.contacts.row(user_id)
        if row is None:
            return None
        met, liked = self.contacts.met(row)
        same = met == movie_id
        return bool((same & liked).any()) if same.any() else None

    def _forget(self) -> None:
        silent = next(iter(self._since))
        n_forgotten = len(self._since.pop(silent).likes)
        self._n_events -= n_forgotten
        self.forgotten += n_forgotten
