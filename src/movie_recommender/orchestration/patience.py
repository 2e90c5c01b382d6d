"""How long a channel that refuses is asked again, and how long it is then left alone."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from movie_recommender.orchestration.channels import RefusedError

FIRST_PAUSE_S = 1.0
"""Before a channel is asked again; each following pause is twice as long."""

FIRST_REST_S, LONGEST_REST_S = 15.0, 600.0
"""How long a channel is left alone after its first refusal, and after many."""


def again_and_again(send: Callable[[], None], *, patience_s: float) -> None:
    """Send, with growing pauses, until it is taken; a server that names a pause gets that.

    Raises:
        RefusedError: the last refusal: for good, or the next try would begin after `patience_s`.
    """
    end, pause_s = time.monotonic() + patience_s, FIRST_PAUSE_S
    while True:
        try:
            return send()
        except RefusedError as error:
            wait_s = max(pause_s, error.retry_after_s)
            if not error.temporary or time.monotonic() + wait_s > end:
                raise
        time.sleep(wait_s)
        pause_s *= 2


class Rests:
    """Which channels are left alone, and until when; a later refusal makes a longer rest."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str | None], tuple[datetime, float]] = {}

    def begin(self, name: str, letter_id: str, error: RefusedError, now: datetime) -> None:
        """`name` has refused the letter: for good only this one, or all of them for now."""
        key = (name, None if error.temporary else letter_id)
        _, before_s = self._until.get(key, (now, FIRST_REST_S / 2))
        rest_s = min(2 * before_s, LONGEST_REST_S)
        self._until[key] = (now + timedelta(seconds=max(rest_s, error.retry_after_s)), rest_s)

    def end(self, name: str) -> None:
        """`name` takes letters again."""
        self._until.pop((name, None), None)

    def includes(self, name: str, letter_id: str, now: datetime) -> bool:
        """Whether `name` is left alone at `now`, wholly or with this letter."""
        keys = ((name, None), (name, letter_id))
        return any(key in self._until and now < self._until[key][0] for key in keys)
