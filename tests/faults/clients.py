"""Clients that ask again and again, on connections of their own."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from movie_recommender.local import ports

_LENGTH = b"content-length: "


@dataclass
class Asked:
    """What became of a crowd's requests.

    Attributes:
        statuses: how many answers had each.
        seconds: how long each answer of 200 took.
        without_retry_after: answers of 503 that don't say when to come again.
        lost: by connection: requests whose connection broke before the answer, and refused ones.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    lost: Counter[int] = field(default_factory=Counter)

    @property
    def p99_s(self) -> float:
        """Of the answers of 200."""
        return sorted(self.seconds)[int(0.99 * len(self.seconds))]


def crowd(port: int, *, n: int, seconds: float) -> Asked:
    """What `n` connections got that ask for lists, each as soon as it has its answer."""
    asked = Asked()

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(_one(port, number, until, asked) for number in range(n)))

    asyncio.run(all_of_them())
    return asked


async def _one(port: int, number: int, until: float, asked: Asked) -> None:
    rng = random.Random(number)
    while time.perf_counter() < until:
        try:
            reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
        except OSError:
            asked.lost[number] += 1
            continue
        try:
            while time.perf_counter() < until:
                await _ask(reader, writer, rng.randrange(10**6), asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            asked.lost[number] += 1
        finally:
            writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user_id: int, asked: Asked
) -> None:
    began = time.perf_counter()
    writer.write(f"GET /recommendations/{user_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    begin = head.index(_LENGTH) + len(_LENGTH)
    await reader.readexactly(int(head[begin : head.index(b"\r", begin)]))
    status = int(head[9:12])
    asked.statuses[status] += 1
    if status == 200:
        asked.seconds.append(time.perf_counter() - began)
    elif b"retry-after: " not in head:
        asked.without_retry_after += 1
