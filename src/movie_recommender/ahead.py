"""Work ahead: the next items are made in a thread while the last one is in use."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")

_END: Any = object()


@contextmanager
def ahead(items: Iterable[Item], n: int) -> Iterator[Iterator[Item]]:
    """`items`, of which up to `n` wait ready made; an error of theirs is raised in its place.

    When the block is left, however it is, nothing of `items` runs any more.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as one:

        def taken() -> Iterator[Item]:
            ready = deque(one.submit(next, source, _END) for _ in range(n))
            while (item := ready.popleft().result()) is not _END:
                ready.append(one.submit(next, source, _END))
                yield item

        try:
            yield taken()
        finally:
            one.shutdown(cancel_futures=True)
