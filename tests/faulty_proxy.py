"""A proxy on loopback that hands requests on to a server, and goes wrong at a chosen one."""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from movie_recommender.local.ports import LOOPBACK

Fault = Literal["refused", "reset", "lost", "late"]
"""`refused`: 500, nothing is handed on; `reset`: neither, the connection ends; `lost`: handed on,
but the connection ends in place of an answer; `late`: handed on, the answer comes too late."""
FAULTS: tuple[Fault, ...] = get_args(Fault)

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultyProxy:
    """In front of the server at `target`; see `failing`.

    Args:
        target: URL of the server.
        late_s: how late an answer is that comes late.
    """

    def __init__(self, target: str, *, late_s: float) -> None:
        self.target = urlsplit(target)
        self.late_s = late_s
        self.calls: list[str] = []
        """Method and path of every request that counts, since `failing` began."""
        self._fault: Fault | None = None
        self._first, self._last = 0, 0
        self._only = ""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
        self._server.proxy = self  # type: ignore[attr-defined]
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextlib.contextmanager
    def failing(
        self, fault: Fault | None, first: int, *, last: int | None = None, only: str = ""
    ) -> Iterator[None]:
        """Have the requests from the `first` to the `last` go wrong; without `last`: all since.

        Those count whose method and path have `only` in them.
        """
        self.calls.clear()
        self._fault, self._first, self._last = fault, first, last or 10**9
        self._only = only
        try:
            yield
        finally:
            self._fault = None

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def count(self, call: str) -> Fault | None:
        """What happens to a new request."""
        with self._lock:
            if self._only not in call:
                return None
            self.calls.append(call)
            return self._fault if self._first <= len(self.calls) <= self._last else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def _any(self) -> None:
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.count(f"{self.command} {self.path}")
        if fault == "refused":
            self._answer(500, {"Content-Type": "text/plain"}, b"out of order")
            return
        if fault != "reset":
            status, headers, content = self._handed_on(proxy, body)
        if fault in ("reset", "lost"):
            self._reset()
            return
        if fault == "late":
            time.sleep(proxy.late_s)
        self._answer(status, headers, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def _handed_on(self, proxy: FaultyProxy, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(str(proxy.target.hostname), proxy.target.port)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass
