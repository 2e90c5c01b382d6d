"""What a power cut leaves behind: commits and files that are shorter than they were written.

delta-rs opens a table whose newest commit is empty without a word, as if the commit had never been.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from movie_recommender.errors import StorageError
from movie_recommender.lake.storage import is_bucket
from movie_recommender.lake.store import Lake
from movie_recommender.lake.tables import TABLES

_SHOWN = 5


class LakeIntegrity(Lake):
    """The lake, and whether all is there that its log says.

    Only of a directory: an object store writes an object whole or not at all.
    """

    def check(self) -> None:
        """Look at every table's commits since its checkpoint, and at the size of every file.

        Raises:
            StorageError: something is missing or cut; names each.
        """
        if is_bucket(self.path):
            return
        found = [damage for table in TABLES for damage in self._damages(table)]
        if found:
            message = (
                f"The lake at {self.path!r} is damaged: {'; '.join(found[:_SHOWN])}"
                f"{' …' if len(found) > _SHOWN else ''}. Restore these files from a backup. Or, "
                "of a commit, move it and the later ones out of _delta_log; of a data file, move "
                "the table's folder away. Offsets go with them: `movie-recommender extract` lands "
                "the messages again, as far as Kafka still holds them (rejected ones only where "
                "the topic's own table has gone back as far)."
            )
            raise StorageError(message)

    def _damages(self, table: str) -> list[str]:
        log = Path(self._uri(table), "_delta_log")
        with self._refusals(table, "read"):
            cut = [
                f"commit {path} is empty or cut" for path in _commits(log) if not _is_whole(path)
            ]
            # Of a log that is cut, delta-rs would only say that it can't be read.
            return cut or list(self._cut_files(table))

    def _cut_files(self, table: str) -> Iterator[str]:
        opened = self._open(table)
        if opened is None:
            return
        actions = pa.table(opened.get_add_actions(flatten=True))
        columns = (actions[name].to_pylist() for name in ("path", "size_bytes"))
        for name, size in zip(*columns, strict=True):
            path = Path(self._uri(table), unquote(name))
            if not path.exists():
                yield f"{path} is missing"
            elif path.stat().st_size != size:
                yield f"{path} has {path.stat().st_size} bytes, not {size}"


def _commits(log: Path) -> list[Path]:
    """The commits that reading the newest version needs, ascending."""
    checkpoint = _checkpoint(log)
    commits = (path for path in log.glob("*.json") if path.stem.isdigit())
    return sorted(path for path in commits if int(path.stem) > checkpoint)


def _checkpoint(log: Path) -> int:
    """The version of the last checkpoint; -1 where none is known."""
    try:
        return int(json.loads((log / "_last_checkpoint").read_text())["version"])
    except (FileNotFoundError, ValueError, KeyError):
        return -1  # it is only a hint: then every commit that is there is looked at


def _is_whole(commit: Path) -> bool:
    """Whether it has an action a line, each whole; an empty commit has none."""
    lines = commit.read_bytes().splitlines()
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return False
