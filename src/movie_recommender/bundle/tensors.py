"""Arrays that lie in a safetensors file, without a copy of them in memory.

The `safetensors` library copies each tensor when it is read. A table of all users' vectors is read
a row at a time and by several processes at once: mapped into memory, its pages are loaded when they
are looked at, and exist once for all processes.
"""

import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from movie_recommender.errors import RegistryError

_LENGTH_BYTES = 8
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}


@dataclass(frozen=True)
class TensorFile:
    """Read-only arrays by name, and the strings that were written beside them."""

    tensors: Mapping[str, npt.NDArray[Any]]
    metadata: Mapping[str, str]


def open_tensors(path: Path) -> TensorFile:
    """The tensors of a safetensors file, mapped; the file may be renamed or deleted meanwhile.

    It must not be written to in place: that is what a process that reads it would see.

    Raises:
        RegistryError: there is no such file, or it is no whole safetensors file.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        length = int.from_bytes(mapped[:_LENGTH_BYTES], "little")
        header = json.loads(mapped[_LENGTH_BYTES : _LENGTH_BYTES + length])
        metadata = dict(header.pop("__metadata__", {}))
        begin = _LENGTH_BYTES + length
        return TensorFile({n: _tensor(mapped, begin, e) for n, e in header.items()}, metadata)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        message = (
            f"{path} can't be read as a safetensors file ({error!r}), expected one that this "
            "package wrote. Take another version: movie-recommender models"
        )
        raise RegistryError(message) from error


def _tensor(mapped: mmap.mmap, begin: int, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    dtype: np.dtype[Any] = _DTYPES[entry["dtype"]]
    shape = [int(size) for size in entry["shape"]]
    first, last = (int(offset) for offset in entry["data_offsets"])
    count = math.prod(shape)
    if min([first, *shape]) < 0 or last - first != count * dtype.itemsize:
        message = f"a tensor of shape {shape} lies in bytes {first} to {last}"
        raise ValueError(message)
    # Beyond the file's end NumPy raises ValueError, too.
    if not count:
        return np.empty(shape, dtype)
    return np.frombuffer(mapped, dtype, count, begin + first).reshape(shape)
