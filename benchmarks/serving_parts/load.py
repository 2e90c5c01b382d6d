"""Who asks: some connections, each of which asks again as soon as it has its answer.

A process of its own, on bare sockets: what it costs is taken from no server's figures but by the
core that they share, and from both alike.

    python -m serving_parts.load PORT CONNECTIONS SECONDS USERS QUERY
"""

import asyncio
import json
import random
import sys
import time

import uvloop

_LENGTH = b"content-length: "
_ARGUMENTS = (int, int, float, int, str)


async def ask(
    port: int,
    query: str,
    until: float,
    users: range,
    seed: int,
    latencies: list[float],
    failed: list[int],
) -> None:
    """One connection."""
    rng = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        path = f"/recommendations/{rng.choice(users)}?{query}"
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        begin = head.index(_LENGTH) + len(_LENGTH)
        await reader.readexactly(int(head[begin : head.index(b"\r", begin)]))
        latencies.append(time.perf_counter() - began)
        if not head.startswith(b"http/1.1 200"):
            failed.append(int(head[9:12]))
    writer.close()


async def main(port: int, connections: int, seconds: float, n_users: int, query: str) -> None:
    """Ask, and print what it was."""
    latencies: list[float] = []
    failed: list[int] = []
    began = time.perf_counter()
    asking = [
        ask(port, query, began + seconds, range(n_users), seed, latencies, failed)
        for seed in range(connections)
    ]
    await asyncio.gather(*asking)
    took = time.perf_counter() - began
    ordered = sorted(latencies)
    found = {
        "requests_per_s": len(ordered) / took,
        "p50_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
        "failed": len(failed),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    uvloop.run(main(*(kind(text) for kind, text in zip(_ARGUMENTS, sys.argv[1:], strict=True))))
