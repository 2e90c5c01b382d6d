"""Memory that a training has freed: used again within it, given back after it."""

import os
import platform
import subprocess
import sys

import pytest

BLOCKS = """
import resource
from contextlib import nullcontext
import psutil, torch
from movie_recommender.training.memory import freed_memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def block():
    return [torch.ones(5_000_000) for _ in range(4)]  # 80 MB

with {context}:
    block()
    before = faults()
    for _ in range(5):
        block()
    print(faults() - before)
    kept = psutil.Process().memory_info().rss
print((kept - psutil.Process().memory_info().rss) // 2**20)
"""


def blocks(context: str) -> tuple[int, int]:
    """Page faults of five blocks, and MB given back at the end."""
    code = BLOCKS.format(context=context)
    # glibc's threshold before anything large was freed; where it would rise to depends on the heap.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    faults, returned = said.stdout.split()
    return int(faults), int(returned)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_is_used_again_and_given_back() -> None:
    faults, returned = blocks("freed_memory_kept()")
    assert faults < 10_000  # pages of 4,096 bytes; a block has 20,000
    assert returned > 60
    faults, returned = blocks("nullcontext()")
    assert faults > 50_000
    assert returned == 0
