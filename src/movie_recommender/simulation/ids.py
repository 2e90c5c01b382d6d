"""Ids as a pure function of what they name."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UInts = npt.NDArray[np.uint64]

_HEX_DIGITS = 16


def event_ids(n: int, *scope: object) -> pa.StringArray:
    """(n,) ids of events 0 … n - 1 of `scope`: 16 hexadecimal digits each.

    Within a scope no two are equal (the mix is a bijection of the index); between scopes they are
    64 random bits.
    """
    start = np.uint64(scope_key(*scope))
    return hex_ids(mix(start + np.arange(n, dtype=np.uint64)))


def scope_key(*scope: object) -> int:
    """64 bits that stand for `scope`."""
    text = "\x1f".join(str(part) for part in scope)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(values: UInts) -> UInts:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hex_ids(values: UInts) -> pa.StringArray:
    """(n,) each value as 16 hexadecimal digits, without a Python object per value."""
    digits = values.astype(">u8").tobytes().hex().encode()
    ends = np.arange(len(values) + 1, dtype=np.int32) * _HEX_DIGITS
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(digits))
