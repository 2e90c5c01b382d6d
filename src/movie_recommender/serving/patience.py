"""How much and how slowly a client may talk: uvicorn itself waits for ever and keeps all of it."""

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from movie_recommender.serving.direct import Answer, DirectProtocol
from movie_recommender.serving.room import Room

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 64
"""Requests of one connection that wait while another of its requests is answered."""
SPARE_BYTES = 1 << 20
"""Of a body that was refused so much more is thrown away, so that the client reads why."""

_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def patient_protocol(
    timeout_s: float, *, max_body_bytes: int, room: Room, at_once: Answer | None
) -> type["Patient"]:
    """A protocol with these limits.

    Args:
        timeout_s: for a head, and for reading on, in seconds.
        max_body_bytes: that the gate lets in.
        room: is told of each request that the application has to answer.
        at_once: answers what needs no application; None: nothing does.
    """
    most_bytes = max_body_bytes + SPARE_BYTES
    given = {"timeout_s": timeout_s, "most_bytes": most_bytes, "room": room, "at_once": at_once}
    return type("Patient", (Patient,), given)


class Patient(DirectProtocol):
    """A client that is too slow or says too much is given up.

    Too slow: a request's head doesn't come in time, from the connection's beginning or from the
    first bytes after an answer; or an answer isn't read in time. How long a body may take is the
    gate's to say, and a connection that is silent after an answer is uvicorn's keep-alive's.
    """

    timeout_s: float
    most_bytes: int
    room: Room

    _head_due: asyncio.TimerHandle | None = None
    _read_due: asyncio.TimerHandle | None = None
    _in_head = False
    _n_bytes = 0
    """That came since the last request began."""
    _earlier: tuple[RequestResponseCycle, ...] = ()
    """What this connection asked before what it asked last, as far as it isn't answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head has to come in time."""
        super().connection_made(transport)
        self._head_due = self.loop.call_later(self.timeout_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        for due in (self._head_due, self._read_due):
            if due is not None:
                due.cancel()
        self._forsake()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, unless it is too much."""
        self._n_bytes += len(data)
        super().data_received(data)
        if self._n_bytes > (MAX_HEAD_BYTES if self._in_head else self.most_bytes):
            if self._is_free and self._in_head:
                self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()
        elif self._is_free and self._head_due is None and self._waits_for_more:
            self._head_due = self.loop.call_later(self.timeout_s, self.transport.close)
        if self.transport.is_closing():
            self._forsake()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._n_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head came in time; too many requests at once are refused."""
        self._in_head = False
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
        if len(self.pipeline) >= MAX_PIPELINED:
            message = "too many requests at once"
            raise ValueError(message)  # which uvicorn answers with 400, and closes
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return  # it is answered
        if before is None or before.response_complete:
            self.room.come(self.scope)  # type: ignore[arg-type]  # a TypedDict is a dict
        else:  # it waits until that is answered
            unanswered = [cycle for cycle in self._earlier if not cycle.response_complete]
            self._earlier = (*unanswered, before)

    @property
    def _is_free(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _waits_for_more(self) -> bool:
        """Whether what just came isn't all answered."""
        return self._in_head or not self.answered

    def _forsake(self) -> None:
        """Nobody hears an answer any more: what would be sent is dropped.

        uvicorn does so for what was asked last; the others would be written into a closed socket.
        """
        for cycle in (*self._earlier, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def pause_writing(self) -> None:
        """The client has to read on in time."""
        super().pause_writing()
        self._read_due = self.loop.call_later(self.timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        if self._read_due is not None:
            self._read_due.cancel()
            self._read_due = None
        super().resume_writing()
