"""Ids and chance as a pure function of what they name."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UInts = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_HEX_DIGITS = 16
_LANE = np.uint64(0xD1342543DE82EF95)
_HALF = np.uint64(32)


def event_ids(n: int, *scope: object) -> pa.StringArray:
    """(n,) ids of events 0 … n - 1 of `scope`: 16 hexadecimal digits each.

    Within a scope no two are equal (the mix is a bijection of the index); between scopes they are
    64 random bits.
    """
    return event_ids_of(np.arange(n, dtype=np.int64), *scope)


def event_ids_of(keys: Ints, *scope: object) -> pa.StringArray:
    """(N,) the id of the one event of each key in `scope`; as unique as the keys."""
    return hex_ids(mix(np.uint64(scope_key(*scope)) + keys.astype(np.uint64)))


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


def hashes(ids: Ints, lanes: int, *scope: object) -> UInts:
    """(N, lanes) 64 random bits for each id and lane of `scope`.

    Counter-based (Salmon et al. 2011): no generator has to be walked to get at one id's numbers.
    """
    state = mix(np.uint64(scope_key(*scope)) + ids.astype(np.uint64))
    return mix(state[:, None] + np.arange(lanes, dtype=np.uint64) * _LANE)


def uniforms(ids: Ints, lanes: int, *scope: object) -> npt.NDArray[np.float64]:
    """(N, lanes) uniform in (0, 1)."""
    bits = hashes(ids, lanes, *scope) >> np.uint64(12)
    return np.asarray((bits.astype(np.float64) + 0.5) * 2.0**-52)


def normals(ids: Ints, lanes: int, *scope: object) -> Floats:
    """(N, lanes) float32 standard normal; two from each hash (Box and Muller 1958)."""
    pairs = hashes(ids, (lanes + 1) // 2, *scope)
    high = (pairs >> _HALF).astype(np.float32)
    low = (pairs & np.uint64(0xFFFFFFFF)).astype(np.float32)
    radius = np.sqrt(-2.0 * np.log((high + np.float32(0.5)) * np.float32(2.0**-32)))
    angle = low * np.float32(2.0 * np.pi * 2.0**-32)
    # Rounded to float32 the largest `high` gives a logarithm of just 0, never more.
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
    return both.reshape(len(ids), 2 * pairs.shape[1])[:, :lanes]


def hex_ids(values: UInts) -> pa.StringArray:
    """(n,) each value as 16 hexadecimal digits, without a Python object per value."""
    digits = values.astype(">u8").tobytes().hex().encode()
    ends = np.arange(len(values) + 1, dtype=np.int32) * _HEX_DIGITS
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(digits))
