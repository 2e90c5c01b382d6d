"""Whom serving knows: what each user met and liked, up to the event that was posted last."""

from dataclasses import dataclass
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


class Seen:
    """A snapshot's contacts and those that came since.

    Another snapshot is another object: what it covers of the journal is left out as the journal is
    read, so that the overlay never holds what both have. Not for several threads at once.

    Args:
        contacts: of the snapshot.
        reader: of the journal, from its beginning.
    """

    def __init__(self, contacts: Contacts, reader: JournalReader) -> None:
        self.contacts = contacts
        self.forgotten = 0
        """Contacts that were dropped because there were more than `MAX_EVENTS`."""
        self._reader = reader
        self._since: dict[int, dict[int, bool]] = {}
        """By user, the longest silent first: his movies, whether he liked each, oldest first."""
        self._n_events = 0
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

    def of(self, user_id: int) -> Known:
        """What is known about a user; of one who isn't known nothing."""
        known = known_from(self.contacts, user_id)
        since = self._since.get(user_id)
        if not since:
            return known
        new = np.array(list(since), np.int64)
        likes = np.array(list(since.values()), np.bool_)
        liked = new[likes]
        still = known.unliked[~np.isin(known.unliked, liked)]
        return Known(
            known.person,
            np.concatenate([known.liked, liked]),
            np.concatenate([still, new[~likes]]),
            (self.contacts.snapshot_id, len(new) + int(likes.sum())),
        )

    def _add(self, contact: Contact) -> None:
        if contact.time_us < self._too_old_us or self._covers(contact):
            return
        since = self._since.pop(contact.user_id, {})
        self._since[contact.user_id] = since
        before = since.get(contact.movie_id)
        if contact.liked and before is False:
            del since[contact.movie_id]  # liked now: it is the newest of his likes
        elif before is not None:
            return
        since[contact.movie_id] = contact.liked
        self._n_events += before is None
        while self._n_events > MAX_EVENTS:
            self._forget()

    def _covers(self, contact: Contact) -> bool:
        """Whether the snapshot has the contact, or one that says more."""
        row = self.contacts.row(contact.user_id)
        if row is None:
            return False
        met, liked = self.contacts.met(row)
        same = met == contact.movie_id
        return bool((same & liked).any() if contact.liked else same.any())

    def _forget(self) -> None:
        silent = next(iter(self._since))
        n_forgotten = len(self._since.pop(silent))
        self._n_events -= n_forgotten
        self.forgotten += n_forgotten
