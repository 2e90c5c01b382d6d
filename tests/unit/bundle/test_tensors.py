import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from movie_recommender.bundle import open_tensors
from movie_recommender.errors import RegistryError

TENSORS = {
    "table": np.arange(12, dtype=np.float32).reshape(3, 4),
    "ids": np.array([5, 2**62], np.int64),
    "flags": np.array([1, 0, 1], np.uint8),
    "none": np.empty((0, 4), np.float32),
    "one": np.array(1.5, np.float32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "f.safetensors", metadata={"as_of": "2026"})
    return tmp_path / "f.safetensors"


def test_the_arrays_are_those_that_the_library_reads(path: Path) -> None:
    found, expected = open_tensors(path), load_file(path)
    assert found.metadata == {"as_of": "2026"}
    assert found.tensors.keys() == expected.keys()
    for name, array in expected.items():
        assert found.tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(found.tensors[name], array)


@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8),
        arrays.arrays(
            st.sampled_from([np.float32, np.int64, np.int32, np.uint8]),
            arrays.array_shapes(min_dims=0, max_dims=3, min_side=0),
            elements=st.integers(0, 100),
        ),
        max_size=4,
    )
)
def test_any_file_of_the_library(tmp_path_factory: pytest.TempPathFactory, tensors: dict) -> None:
    path = tmp_path_factory.mktemp("any") / "f.safetensors"
    save_file(tensors, path)
    found = open_tensors(path).tensors
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], array) for name, array in tensors.items())


def test_nobody_can_write_to_them(path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        open_tensors(path).tensors["table"][0, 0] = 1.0


def test_they_outlive_the_files_name(path: Path) -> None:
    found = open_tensors(path)
    path.unlink()
    np.testing.assert_array_equal(found.tensors["table"], TENSORS["table"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"gone\.safetensors can't be read"):
        open_tensors(tmp_path / "gone.safetensors")


def test_a_file_that_ends_early_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 4, 12, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RegistryError, match="can't be read as a safetensors file"):
            open_tensors(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-8, -4]},
        {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
        [],
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"x": entry}).encode()
    path = tmp_path / "f.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(RegistryError, match="can't be read as a safetensors file"):
        open_tensors(path)
