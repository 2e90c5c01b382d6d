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

for context in (nullcontext(), freed_memory_kept()):
    with context:
        block()
        before = faults()
        for _ in range(5):
            block()
        print(faults() - before)
        kept = psutil.Process().memory_info().rss
    print((kept - psutil.Process().memory_info().rss) // 2**20)
"""
"""Prints page faults of five blocks, and MB given back at the end: left alone, and kept."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_is_used_again_and_given_back() -> None:
    # glibc's threshold before anything large was freed; where it would rise to depends on the heap.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    said = subprocess.run(
        [sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True, env=environment
    )
    alone_faults, alone_returned, faults, returned = map(int, said.stdout.split())
    assert alone_faults > 50_000  # pages of 4,096 bytes; a block has 20,000
    assert alone_returned == 0
    assert faults < 10_000
    assert returned > 60
