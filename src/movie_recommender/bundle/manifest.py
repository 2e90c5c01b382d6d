"""What a bundle is and was made from, and the checksum of each of its files.

Files are safetensors, Parquet, ONNX, JSON and YAML, never pickle: reading a bundle can't run code.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from movie_recommender.errors import RegistryError

FORMAT = 3
"""Version of the bundle's layout; a reader refuses any other."""

MANIFEST = "manifest.json"

MANIFEST_TAG = "manifest_sha256"
"""Tag of a model version: the checksum of its bundle's manifest, and so of every file in it.
Whoever can write where artifacts are kept, and not into the registry, can't exchange a bundle."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle is and what it was made from.

    `trained_until` (ISO 8601): every event trained on is earlier. `files` maps each file's name
    to its SHA-256 in hex.
    """

    model_name: str
    training_key: str
    snapshot_id: str
    as_of: str
    trained_until: str
    lake_versions: Mapping[str, int]
    code_version: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    files: Mapping[str, str]
    format: int = FORMAT


def write_manifest(directory: Path, **fields: Any) -> Manifest:
    """Checksum the files of `directory` and write its manifest, last.

    Args:
        directory: the bundle; all its other files are in place.
        fields: those of `Manifest` but `files` and `format`.
    """
    files = {
        path.name: _sha256(path) for path in sorted(directory.iterdir()) if path.name != MANIFEST
    }
    manifest = Manifest(files=files, **fields)
    (directory / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a bundle whose every file is what it was when it was made.

    Raises:
        RegistryError: no manifest, a newer format, a file missing, altered or beyond the
            directory. Nothing but the manifest was interpreted before this.
    """
    manifest = _parse(directory / MANIFEST)
    for name, expected in manifest.files.items():
        _check(directory, name, expected)
    return manifest


def manifest_checksum(directory: Path) -> str:
    """SHA-256 in hex of a bundle's manifest; the value of `MANIFEST_TAG`."""
    return _sha256(directory / MANIFEST)


def require_manifest(directory: Path, expected: str | None) -> None:
    """Nothing, where the bundle's manifest is the one that was registered.

    Args:
        directory: the bundle, of which the manifest at least is there.
        expected: the version's `MANIFEST_TAG`; None: it has none.

    Raises:
        RegistryError: there is no manifest, or another one.
    """
    _parse(directory / MANIFEST)
    found = manifest_checksum(directory)
    if expected is None:
        message = (
            f"Bundle {directory}: its version has no tag {MANIFEST_TAG}; it was registered by an "
            "older release, or not by the pipeline. Train again: movie-recommender train"
        )
        raise RegistryError(message)
    if found != expected:
        message = (
            f"Bundle {directory}: {MANIFEST} was altered (SHA-256 {found[:12]}…, the version's tag "
            f"{MANIFEST_TAG} says {expected[:12]}…). Don't use it; go back with: "
            "movie-recommender rollback"
        )
        raise RegistryError(message)


def named_files(directory: Path) -> list[str]:
    """Names of the files that belong to a bundle of which only the manifest is there yet.

    Raises:
        RegistryError: no manifest, a newer format, or a name that leaves the directory.
    """
    names = list(_parse(directory / MANIFEST).files)
    for name in names:
        if not _is_plain(name):
            message = f"Bundle {directory}: {name!r} isn't the name of a file inside it."
            raise RegistryError(message)
    return names


def _parse(path: Path) -> Manifest:
    try:
        fields = json.loads(path.read_text())
        found = int(fields["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path.parent} isn't a model bundle: {MANIFEST} is missing or damaged ({error})."
        raise RegistryError(message) from error
    if found != FORMAT:
        remedy = (
            "Upgrade movie-recommender."
            if found > FORMAT
            else "Train a model with this version: movie-recommender train"
        )
        message = f"{path}: bundle format {found}, this version reads format {FORMAT}. {remedy}"
        raise RegistryError(message)
    try:
        manifest = Manifest(**fields)
    except TypeError as error:
        message = f"{path} has unexpected fields: {error}. Train the model again."
        raise RegistryError(message) from error
    if not isinstance(manifest.files, dict):
        message = f"{path}: files is {manifest.files!r:.100}, expected an object of checksums."
        raise RegistryError(message)
    return manifest


def _check(directory: Path, name: str, expected: str) -> None:
    path = directory / name
    if not _is_plain(name) or path.is_symlink() or not path.is_file():
        message = f"Bundle {directory}: {name!r} is missing or isn't a plain file inside it."
        raise RegistryError(message)
    found = _sha256(path)
    if found != expected:
        message = (
            f"Bundle {directory}: {name} was altered (SHA-256 {found[:12]}…, the manifest says "
            f"{expected[:12]}…). Don't use it; go back with: movie-recommender rollback"
        )
        raise RegistryError(message)


def _is_plain(name: str) -> bool:
    return name == Path(name).name and name not in ("", ".", "..", MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
