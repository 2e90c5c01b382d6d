"""The gate: room for the request, the door's word, a body of a fair size; never a stack trace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from movie_recommender.serving.access.rules import UNLIMITED
from movie_recommender.serving.metrics import RESPONSES
from movie_recommender.serving.problems import NO_HEADERS, Problem
from movie_recommender.serving.room import Room

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ADMITTED = "admitted"
"""Entry of a request's scope: True, or the `Problem`, where the door has been asked already."""

JSON = b"application/json"

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """ASGI in front of the application.

    Args:
        app: the application.
        admit: raises a `Problem` for a request that may not come in.
        refuse: sends a problem.
        room: counts who is before whom.
        limit: where more are before a request, 503.
        max_body_bytes: a larger body is refused.
        body_timeout_s: a body that takes longer to come, too.
    """

    def __init__(
        self,
        app: App,
        *,
        admit: Callable[[Scope], None],
        refuse: Callable[[Scope, Problem], App],
        room: Room,
        limit: int,
        max_body_bytes: int,
        body_timeout_s: float,
    ) -> None:
        self._app = app
        self._admit = admit
        self._refuse = refuse
        self._room = room
        self._limit = limit
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        n_ahead = self._room.enter(scope)
        try:
            if n_ahead > self._limit and scope["path"] not in UNLIMITED:
                raise no_room(self._limit)
            self._decide(scope)
            if scope["method"] not in _WITHOUT_BODY:
                receive = _replay(await self._body(receive))
            await self._guarded(scope, receive, send)
        except Problem as problem:
            RESPONSES.labels("gate", str(problem.status)).inc()
            await self._refuse(scope, problem)(scope, receive, send)
        finally:
            self._room.leave()

    def _decide(self, scope: Scope) -> None:
        decided = scope.pop(ADMITTED, None)
        if isinstance(decided, Problem):
            raise decided
        if decided is None:
            self._admit(scope)

    async def _body(self, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            Problem: it is too large or too slow.
        """
        self._room.leave()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await _read(receive, self._max_body_bytes)
        except TimeoutError:
            raise _too_slow(self._body_timeout_s) from None
        finally:
            self._room.come_back()

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if began or isinstance(error, Problem):
                raise
            logger.exception("path=%s", scope["path"])
            raise broken() from error


async def _read(receive: Receive, limit: int) -> bytes:
    """The whole body, which is small.

    Raises:
        Problem: it is larger than `limit`.
    """
    parts: list[bytes] = []
    more, size = True, 0
    while more:
        message = await receive()
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": body, "more_body": False},
    ]

    async def receive() -> Message:
        return messages.pop() if len(messages) > 1 else messages[0]

    return receive


async def send_json(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS
) -> None:
    """Send a whole answer."""
    lines = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
    lines += [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def no_room(limit: int) -> Problem:
    """503 for a request that has too many before it."""
    return Problem(
        503,
        f"More than {limit} requests wait for this worker already.",
        where="SERVING_QUEUE",
        remedy="Ask again in a second, or run more workers (SERVING_WORKERS).",
        retry_after_s=1,
    )


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"The body has more than {limit} bytes.",
        where="body",
        remedy="Send less; SERVING_MAX_BODY_BYTES sets the limit.",
    )


def _too_slow(limit_s: float) -> Problem:
    return Problem(
        408,
        f"The body didn't come within {limit_s:g} seconds.",
        where="body",
        remedy="Send it faster; SERVING_CLIENT_TIMEOUT_S sets the limit.",
        headers={"connection": "close"},
    )


def broken() -> Problem:
    """500 for what nobody thought of."""
    return Problem(
        500,
        "The request could not be answered; the server's log says why.",
        where="server",
        remedy="Report it with the time of the request.",
    )
