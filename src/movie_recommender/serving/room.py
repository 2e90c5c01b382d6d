"""How many requests are before each that comes, so that a crowd finds a queue and not a wall.

Told by all who wait at this moment, a crowd that comes at once would be refused whole: each of its
requests would see all the others. Told by those who were there before it, so many get an answer as
there is room for, and the others are refused.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

_AHEAD = "ahead"


class Room:
    """Counts the requests of one worker: those that have come, and those that are being answered.

    For the event loop's thread.
    """

    def __init__(self) -> None:
        self._n_queued = 0
        self._n_inside = 0
        self._n_passed = 0

    def has_for_another(self, limit: int) -> bool:
        """Whether a request that is answered while it is read has at most `limit` before it.

        Those whose heads are read in the same turn of the loop came together.
        """
        if self._n_queued + self._n_inside + self._n_passed > limit:
            return False
        if not self._n_passed:
            asyncio.get_running_loop().call_soon(self._new_turn)
        self._n_passed += 1
        return True

    def take_back(self) -> None:
        """The request that there was room for is answered in another way, where it is counted."""
        self._n_passed -= 1

    def come(self, scope: MutableMapping[str, Any]) -> None:
        """A request has come and will be begun; its scope is told how many are before it."""
        scope[_AHEAD] = self._n_queued + self._n_inside
        self._n_queued += 1

    def enter(self, scope: MutableMapping[str, Any]) -> int:
        """A request is begun; how many were before it when it came.

        One that waited behind another of its connection never came by `come`: it has waited there.
        """
        ahead: int | None = scope.pop(_AHEAD, None)
        if ahead is None:
            ahead = self._n_inside
        else:
            self._n_queued -= 1
        self._n_inside += 1
        return ahead

    def leave(self) -> None:
        """A request is answered, or waits for its client: it keeps nobody from being answered."""
        self._n_inside -= 1

    def come_back(self) -> None:
        """Its client has said what it waited for."""
        self._n_inside += 1

    def _new_turn(self) -> None:
        self._n_passed = 0
