"""The smallest bundle that is one, for tests of what moves bundles around."""

from pathlib import Path

from movie_recommender.bundle import write_manifest


def write_tiny_bundle(directory: Path, *, weights: bytes = b"weights") -> Path:
    """Write a file and the manifest that vouches for all files of the directory; the directory."""
    directory.mkdir(exist_ok=True)
    (directory / "weights.safetensors").write_bytes(weights)
    write_manifest(
        directory,
        model_name="m",
        training_key="k",
        snapshot_id="s",
        as_of="2026-11-22T00:00:00+00:00",
        trained_until="2026-11-19T00:00:00+00:00",
        lake_versions={},
        code_version="0",
        config={},
        metrics={},
    )
    return directory
