"""How an alert reaches somebody: patiently, then by the next channel, then out of the outbox.

Each letter is put into the outbox first. Its channels are asked in their order, each with growing
pauses until ALERT_PATIENCE_S is over. What none takes waits in the outbox, and is sent by the
watcher in the triggerer and by the next run's alert tasks. Every copy carries the letter's id.

An outbox that can't be written stops no alert: the letter is sent all the same, and only if nobody
takes it, its sender fails. A letter that has no connected channel is logged, and forgotten after a
day: nobody wants it.
"""

import contextlib
import html
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from movie_recommender.contacts import AlertContacts
from movie_recommender.errors import MovieRecommenderError, NotReadyError
from movie_recommender.orchestration.alerts import Alert
from movie_recommender.orchestration.channels import CHANNELS, RefusedError, Send
from movie_recommender.orchestration.connections import NotConnectedError
from movie_recommender.orchestration.outbox import Letter, Outbox
from movie_recommender.orchestration.patience import Rests, again_and_again

logger = logging.getLogger(__name__)

LATE = timedelta(minutes=3)
"""A letter that is older than that when it goes out says so."""

UNWANTED = timedelta(days=1)
"""How long a letter waits for a connection to be added."""


_Refusals = dict[str, NotConnectedError | RefusedError]


class UndeliveredError(NotReadyError):
    """No channel took the letter, and it could not be kept either."""


@dataclass(frozen=True)
class Outcome:
    """What became of a letter: `by` is the channel that took it, None if none has (yet)."""

    by: str | None
    note: str


class Post:
    """Delivers letters, and what waits in the outbox.

    Args:
        contacts: where alerts go.
        channels: how each channel sends, by name.
    """

    def __init__(self, contacts: AlertContacts, *, channels: Mapping[str, Send] = CHANNELS) -> None:
        self._contacts = contacts
        self._channels = channels
        self._outbox = Outbox(contacts.outbox)
        self._rests = Rests()
        self._sent_unmarked: set[str] = set()

    def keep(self, letter: Letter) -> bool:
        """Put the letter into the outbox; whether it could be written."""
        try:
            self._outbox.put(letter)
        except OSError as error:
            self._unwritable(error)
            return False
        return True

    def deliver(self, letter: Letter) -> Outcome:
        """Send the letter now, and patiently; in the end somebody has it or it waits.

        Raises:
            UndeliveredError: no channel took it, and the outbox can't be written.
        """
        with contextlib.ExitStack() as held:
            try:
                # Alone before it is put, or whoever empties the outbox could be faster.
                ours = held.enter_context(self._outbox.alone(letter))
            except OSError as error:
                self._unwritable(error)
                return self._now_or_never(letter)
            if not ours or self._outbox.was_sent(letter):
                return Outcome(None, f"Alert {letter.id} is sent by another process, or was.")
            if not self.keep(letter):
                return self._now_or_never(letter)
            by, refusals = self._patiently(letter)
            if by is None:
                note = f"was NOT sent; it waits in {self._contacts.outbox}."
            else:
                self._mark(letter)
                note = f"was sent by {by}."
        return Outcome(by, f"Alert {letter.id} {note}{_because(refusals)}")

    def at_once(self, letter: Letter) -> bool:
        """Ask each channel once; whether one took it. For a letter that could not be kept.

        Raises:
            UndeliveredError: none did, and one is connected.
        """
        return self._now_or_never(letter, patience_s=0.0).by is not None

    def flush(self, now: datetime, *, forget: bool = False) -> int:
        """Ask once for each waiting letter, but for the channels that rest; how many were taken.

        Args:
            now: for rests and for the letters' age.
            forget: whether a letter that has had no connected channel for `UNWANTED` goes; not
                while Airflow may be away, which looks like having no connection.
        """
        sent = 0
        try:
            for letter in self._outbox.waiting():
                with self._outbox.alone(letter) as ours:
                    sent += (
                        ours
                        and self._outbox.waits(letter)
                        and self._flushed(letter, now, forget=forget)
                    )
            self._outbox.tidy(now)
        except OSError as error:
            self._unwritable(error)
        return sent

    def _unwritable(self, error: OSError) -> None:
        logger.warning("ALERT_OUTBOX=%s can't be written: %s", self._contacts.outbox, error)

    def _now_or_never(self, letter: Letter, *, patience_s: float | None = None) -> Outcome:
        by, refusals = self._patiently(letter, patience_s)
        if by is None and any(isinstance(why, RefusedError) for why in refusals.values()):
            message = (
                f"Alert {letter.id} was NOT sent, and ALERT_OUTBOX={self._contacts.outbox} can't "
                f"be written.{_because(refusals)} Mend one of them, then clear this task."
            )
            logger.error("alert=%s:\n%s", letter.id, letter.alert.text)
            raise UndeliveredError(message)
        note = "was NOT sent." if by is None else f"was sent by {by}."
        return Outcome(by, f"Alert {letter.id} {note}{_because(refusals)}")

    def _patiently(
        self, letter: Letter, patience_s: float | None = None
    ) -> tuple[str | None, _Refusals]:
        """The channel that took it, and why the ones before didn't."""
        refusals: _Refusals = {}
        patience_s = self._contacts.patience_s if patience_s is None else patience_s
        for name in letter.channels:
            send = partial(self._send, letter, name)
            try:
                again_and_again(send, patience_s=patience_s)
            except NotConnectedError as error:
                refusals[name] = error
            except RefusedError as error:
                refusals[name] = error
                self._rests.begin(name, letter.id, error, datetime.now(UTC))
            else:
                return name, refusals
        return None, refusals

    def _flushed(self, letter: Letter, now: datetime, *, forget: bool) -> bool:
        if letter.id in self._sent_unmarked:
            return self._mark(letter)
        wanted = False
        for name in letter.channels:
            if self._rests.includes(name, letter.id, now):
                wanted = True
                continue
            try:
                self._send(letter, name)
            except NotConnectedError:
                continue
            except RefusedError as error:
                wanted = True
                self._rests.begin(name, letter.id, error, now)
            else:
                self._rests.end(name)
                return self._mark(letter)
        if forget and not wanted and now - letter.written > UNWANTED:
            logger.warning("alert %s has no channel, forgotten:\n%s", letter.id, letter.alert.text)
            self._outbox.discard(letter)
        return False

    def _send(self, letter: Letter, name: str) -> None:
        stamped = replace(letter, alert=_stamped(letter, name, datetime.now(UTC)))
        try:
            self._channels[name](stamped, self._contacts)
        except NotConnectedError as error:
            logger.debug("alert=%s not sent channel=%s reason=%s", letter.id, name, error)
            raise
        except RefusedError as error:
            logger.warning("alert=%s not sent channel=%s reason=%s", letter.id, name, error)
            raise
        except MovieRecommenderError as error:  # what its connection is, can't be used or read
            logger.warning("alert=%s not sent channel=%s reason=%s", letter.id, name, error)
            raise RefusedError(str(error), temporary=error.retryable) from error
        except Exception as error:  # in whatever way it fails, the others must be asked
            logger.exception("alert=%s not sent channel=%s", letter.id, name)
            raise RefusedError(type(error).__name__) from error
        logger.info("alert=%s sent channel=%s", letter.id, name)

    def _mark(self, letter: Letter) -> bool:
        try:
            self._outbox.sent(letter)
        except OSError:  # who sent it must remember, or would send it for ever
            self._sent_unmarked.add(letter.id)
            logger.exception("alert=%s was sent, but stays in the outbox", letter.id)
            return False
        return True


def _stamped(letter: Letter, name: str, now: datetime) -> Alert:
    """The letter's alert with what its reader must know of its way."""
    notes = [f"Alert id: {letter.id}"]
    if name != letter.channels[0]:
        notes.insert(0, f"Sent by {name}, because {letter.channels[0]} didn't take it.")
    if now - letter.written > LATE:
        notes.insert(0, f"Delivered late: written {letter.written:%Y-%m-%d %H:%M} UTC.")
    return replace(
        letter.alert,
        text="\n".join([letter.alert.text, *notes]),
        html=letter.alert.html + "".join(f"<p>{html.escape(note)}</p>" for note in notes),
    )


def _because(refusals: _Refusals) -> str:
    return "".join(f" {name}: {error}." for name, error in refusals.items())
