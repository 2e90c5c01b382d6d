"""Signatures that were checked: each once, then it is one look into a dictionary."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from movie_recommender.serving.access.callers import Caller, digest

MAX_CHECKED = 2_000
"""Texts that are remembered; some 400 bytes each. A wrong one isn't."""


class Remembered:
    """Callers by what they show; each until he expires.

    Args:
        check: who a text makes somebody; None: nobody.
        clock: tells the time.
    """

    def __init__(
        self, check: Callable[[str], Caller | None], *, clock: Callable[[], datetime]
    ) -> None:
        self._check = check
        self._clock = clock
        self._found: OrderedDict[bytes, Caller] = OrderedDict()

    def caller(self, text: bytes) -> Caller | None:
        """Who shows it; None: nobody, or not any more."""
        hashed = digest(text)
        caller = self._found.get(hashed) or self._check(text.decode("latin-1"))
        if caller is None:
            return None
        self._found[hashed] = caller
        if caller.expires is not None and caller.expires <= self._clock().timestamp():
            del self._found[hashed]
            return None
        if len(self._found) > MAX_CHECKED:
            self._found.popitem(last=False)
        return caller
