"""How often somebody may ask: a bucket of tokens for each, filled at a rate."""

import ipaddress
from collections.abc import Callable

from movie_recommender.serving.recent import Recent

MAX_BUCKETS = 10_000
"""Callers and addresses that are remembered; some 200 bytes each. Who is forgotten has asked
nothing for longest, so that his bucket is the likeliest to be full again."""

_NETWORK_BITS = 64


class Limiter:
    """Token buckets, of one worker.

    Args:
        rate: tokens a second that come into each bucket; a request takes one.
        burst: tokens that a bucket holds.
        clock: tells seconds.
    """

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: Recent[str, tuple[float, float]] = Recent(MAX_BUCKETS)
        """By whom: tokens, and when there were so many."""

    def wait_s(self, who: str) -> float:
        """Take a token. 0: there was one; else seconds until there is."""
        now = self._clock()
        tokens, since = self._buckets.get(who) or (self._burst, now)
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets.put(who, (tokens - 1 if allowed else tokens, now))
        return 0.0 if allowed else (1 - tokens) / self._rate


def network_of(address: str) -> str:
    """Whose address it is: of IPv6 the network of 64 bits, all of which one client may have."""
    if ":" not in address:
        return address
    try:
        bits = int(ipaddress.IPv6Address(address.partition("%")[0]))
    except ValueError:
        return address
    return f"{bits >> _NETWORK_BITS:x}::/{_NETWORK_BITS}"
