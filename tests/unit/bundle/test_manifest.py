import json
from pathlib import Path

import pytest

from movie_recommender.bundle import read_manifest, write_manifest
from movie_recommender.bundle.manifest import named_files
from movie_recommender.errors import RegistryError

FIELDS = {
    "model_name": "m",
    "training_key": "k",
    "snapshot_id": "s",
    "as_of": "2026-11-22T00:00:00+00:00",
    "trained_until": "2026-11-19T00:00:00+00:00",
    "lake_versions": {"interactions": 3},
    "code_version": "0",
    "config": {"dim": 8},
    "metrics": {"auc": 0.9},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    directory = tmp_path / "bundle"
    directory.mkdir()
    (directory / "weights.safetensors").write_bytes(b"weights")
    (directory / "encoding.json").write_text("{}")
    write_manifest(directory, **FIELDS)
    return directory


def edit(bundle: Path, **changes: object) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_written_is_read(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert manifest.lake_versions == {"interactions": 3}
    assert set(manifest.files) == {"weights.safetensors", "encoding.json"}


def test_an_altered_byte_is_refused(bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(b"weightz")
    with pytest.raises(RegistryError, match=r"weights.safetensors was altered"):
        read_manifest(bundle)


def test_a_missing_file_is_refused(bundle: Path) -> None:
    (bundle / "encoding.json").unlink()
    with pytest.raises(RegistryError, match=r"'encoding\.json' is missing"):
        read_manifest(bundle)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ""])
def test_a_name_that_leaves_the_directory_is_refused(bundle: Path, name: str) -> None:
    (bundle.parent / "secret").write_text("x")
    edit(bundle, files={name: "0" * 64})
    with pytest.raises(RegistryError, match="isn't a plain file inside it"):
        read_manifest(bundle)
    with pytest.raises(RegistryError, match="isn't the name of a file inside it"):
        named_files(bundle)


def test_files_that_are_no_object_are_refused(bundle: Path) -> None:
    edit(bundle, files=["weights.safetensors"])
    with pytest.raises(RegistryError, match="expected an object of checksums"):
        read_manifest(bundle)


def test_the_names_are_known_before_the_files_are_there(bundle: Path) -> None:
    for name in ("weights.safetensors", "encoding.json"):
        (bundle / name).unlink()
    assert sorted(named_files(bundle)) == ["encoding.json", "weights.safetensors"]


def test_a_link_is_refused(bundle: Path) -> None:
    secret = bundle.parent / "secret"
    secret.write_bytes(b"weights")
    (bundle / "weights.safetensors").unlink()
    (bundle / "weights.safetensors").symlink_to(secret)
    with pytest.raises(RegistryError, match="isn't a plain file inside it"):
        read_manifest(bundle)


@pytest.mark.parametrize(("other", "remedy"), [(4, "Upgrade"), (2, "Train a model with this")])
def test_another_format_is_refused(bundle: Path, other: int, remedy: str) -> None:
    edit(bundle, format=other, unknown_field=1)
    expected = rf"bundle format {other}, this version reads format 3\. {remedy}"
    with pytest.raises(RegistryError, match=expected):
        read_manifest(bundle)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "x"}'])
def test_a_damaged_manifest_is_refused(bundle: Path, content: str) -> None:
    (bundle / "manifest.json").write_text(content)
    with pytest.raises(RegistryError, match="a model bundle"):
        read_manifest(bundle)
