"""The outermost door: room for the request, a body of a fair size, and never a stack trace."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from movie_recommender.serving.metrics import RESPONSES
from movie_recommender.serving.problems import Problem

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
NONE: Mapping[str, str] = MappingProxyType({})

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_ALWAYS_OPEN = frozenset({"/health", "/ready", "/metrics"})
"""What an orchestrator asks: a worker that is busy is not a worker that is dead."""


class Gate:
    """ASGI in front of the application.

    Args:
        app: the application.
        waiting: how many requests of this worker wait or are under way.
        limit: above so many, 503.
        max_body_bytes: a larger body is refused.
    """

    def __init__(
        self, app: App, *, waiting: Callable[[], int], limit: int, max_body_bytes: int
    ) -> None:
        self._app = app
        self._waiting = waiting
        self._limit = limit
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._waiting() > self._limit and scope["path"] not in _ALWAYS_OPEN:
            await answer(send, _no_room(self._limit))
            return
        try:
            if scope["method"] not in _WITHOUT_BODY:
                receive = _replay(await _read(receive, self._max_body_bytes))
            await self._guarded(scope, receive, send)
        except Problem as problem:
            await answer(send, problem)

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
            await answer(send, broken())


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


async def answer(send: Send, problem: Problem) -> None:
    """Send a problem as JSON."""
    RESPONSES.labels("gate", str(problem.status)).inc()
    await send_json(send, problem.status, problem.body(), problem.headers)


async def send_json(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] = NONE
) -> None:
    """Send a whole answer."""
    lines = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
    lines += [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def _no_room(limit: int) -> Problem:
    return Problem(
        503,
        f"More than {limit} requests wait for this worker.",
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


def broken() -> Problem:
    """500 for what nobody thought of."""
    return Problem(
        500,
        "The request could not be answered; the server's log says why.",
        where="server",
        remedy="Report it with the time of the request.",
    )
