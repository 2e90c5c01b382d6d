"""Trying whether a directory can be written."""

import tempfile
from pathlib import Path


def nearest(path: Path) -> Path:
    """`path`, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def write_problem(directory: Path) -> str | None:
    """Why a file can't be written, read and deleted in `directory`; None: it can."""
    content = b"written by `movie-recommender doctor`"
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-") as file:
            file.write(content)
            file.flush()
            found = Path(file.name).read_bytes()
    except OSError as error:
        return f"{directory} can't be written: {error.strerror}"
    return None if found == content else f"{directory} gives back what wasn't written"
