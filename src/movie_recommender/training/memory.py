"""What a training frees stays with it: the next block's arrays are as large as the last one's.

Left alone, glibc gives the pages of large arrays back, and the kernel clears new ones for the next
block: a third of an epoch's time. See mallopt(3).
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names that mallopt has for what it sets."""
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""What glibc takes at most, and comes to by itself when arrays as large are freed."""
_NEVER = 2**31 - 1


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed for what is asked for next, and give it back at the end.

    Where the C library isn't glibc nothing is changed.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        # What glibc's own adjustment would have come to after arrays of that size.
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        libc.malloc_trim(0)
