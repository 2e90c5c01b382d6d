"""Answers that wait for nothing are written as soon as the request's head is read.

Through ASGI each costs a task, a cycle and two messages: a quarter of a list's time. What can't be
answered so (another route, a wrong request, a client that reads slowly) goes the ordinary way,
which says it in the form that was asked for.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from movie_recommender.serving.gate import Scope


class Reply(NamedTuple):
    """A whole answer.

    Attributes:
        head: status line and own headers, each with its line's end.
        body: follows it.
        rest_s: so long nothing more is read from the connection, in seconds.
    """

    head: bytes
    body: bytes
    rest_s: float = 0.0


SERVED_LATELY = "served_lately"
"""Entry of a request's scope: whether its connection was answered at once a moment ago."""
LATELY_S = 0.2

Answer = Callable[[Scope], Reply | None]

_MORE_TO_READ = frozenset({b"content-length", b"transfer-encoding", b"expect"})


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's, with a short way for what `at_once` answers."""

    at_once: Answer | None = None
    answered = False
    """Whether something of what came last was answered so. The rest of it goes the ordinary way:
    who sends a thousand requests in one piece gets his turns like everybody."""

    _is_direct = False
    """Of the request that is being read."""
    _served_at = -math.inf
    """When this connection was given a list at once, by the loop's clock."""

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self.answered = False
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Answer, or go the ordinary way."""
        found = None if self.answered or not self._is_plain() else self._ask()
        self._is_direct = found is not None
        if found is not None:
            self._give(found)
            return
        self._unset_keepalive_if_required()  # an answer to what came just before has set it
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A direct request has none."""
        if not self._is_direct:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A direct request was over with its head."""
        if not self._is_direct:
            super().on_message_complete()

    def _ask(self) -> Reply | None:
        if self.at_once is None:
            return None
        url = httptools.parse_url(self.url)
        scope: Scope = self.scope  # type: ignore[assignment]  # a TypedDict is a dict
        scope["method"] = "GET"
        scope["path"] = url.path.decode("ascii")
        scope["query_string"] = url.query or b""
        scope[SERVED_LATELY] = self.loop.time() - self._served_at < LATELY_S
        return type(self).at_once(scope)  # type: ignore[misc]  # it isn't a method

    def _give(self, reply: Reply) -> None:
        general = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"%b%b\r\n%b" % (reply.head, b"".join(general), reply.body))
        self.answered = True
        self.on_response_complete()
        if not reply.rest_s:
            self._served_at = self.loop.time()
        else:
            self.flow.pause_reading()
            self.loop.call_later(reply.rest_s, self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _is_plain(self) -> bool:
        """Whether this is a GET by itself on a connection that stays and is read from."""
        return (
            self.parser.get_method() == b"GET"
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.root_path
            and b"%" not in self.url
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and _MORE_TO_READ.isdisjoint([name for name, _ in self.headers])
        )
