"""Who asks: some connections, each of which asks again as soon as it has its answer.

A process of its own, on bare sockets: what it costs is taken from no server's figures but by the
core that they share, and from both alike. Requests are made ahead, and of an answer no more is read
than where it ends.

    python -m serving_parts.load PORT CONNECTIONS SECONDS USERS QUERY
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

_END, _LENGTH, _OK = b"\r\n\r\n", b"content-length: ", b"HTTP/1.1 200"
_ARGUMENTS = (int, int, float, int, str)


@dataclass
class Run:
    """What all connections share: the requests, when to stop, and what they saw (seconds)."""

    requests: Sequence[bytes]
    until: float
    latencies: list[float] = field(default_factory=list)
    failed: int = 0


class Connection(asyncio.Protocol):
    """One connection; `closed` is set when it has its last answer.

    Args:
        run: of all of them.
        seed: chooses which requests it sends.
        closed: is told.
    """

    def __init__(self, run: Run, seed: int, closed: "asyncio.Future[None]") -> None:
        self._run = run
        self._choice = random.Random(seed).choice
        self._closed = closed
        self._got = b""
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; after the last one ask again."""
        self._got += data
        if not self._size and (head := self._got.find(_END)) >= 0:
            begin = self._got.lower().index(_LENGTH) + len(_LENGTH)
            length = int(self._got[begin : self._got.index(b"\r", begin)])
            self._size = head + len(_END) + length
        if not self._size or len(self._got) < self._size:
            return
        now = time.perf_counter()
        self._run.latencies.append(now - self._began)
        self._run.failed += not self._got.startswith(_OK)
        if now < self._run.until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that this was all, or that the server broke off."""
        if time.perf_counter() >= self._run.until:
            self._closed.set_result(None)
        else:
            self._closed.set_exception(error or ConnectionResetError("the server broke off"))

    def _ask(self) -> None:
        self._got, self._size = b"", 0
        self._began = time.perf_counter()
        self._transport.write(self._choice(self._run.requests))


async def main(port: int, connections: int, seconds: float, n_users: int, query: str) -> None:
    """Ask, and print what it was."""
    requests = [
        f"GET /recommendations/{user}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for user in range(n_users)
    ]
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    run = Run(requests, began + seconds)
    ends = [loop.create_future() for _ in range(connections)]
    for seed, closed in enumerate(ends):
        await loop.create_connection(
            lambda seed=seed, closed=closed: Connection(run, seed, closed), "127.0.0.1", port
        )
    await asyncio.gather(*ends)
    took = time.perf_counter() - began
    ordered = sorted(run.latencies)
    found = {
        "requests_per_s": len(ordered) / took,
        "p50_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
        "failed": run.failed,
        "cpu_share": time.process_time() / took,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    uvloop.run(main(*(kind(text) for kind, text in zip(_ARGUMENTS, sys.argv[1:], strict=True))))
