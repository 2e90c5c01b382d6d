"""Whether an old version of a table can still be read: its log and its files go with time."""

import re
from datetime import date

import pyarrow.dataset as pads
from pyarrow import fs

from movie_recommender.lake.changes import LakeChanges
from movie_recommender.lake.rows import gone
from movie_recommender.lake.storage import arrow_files
from movie_recommender.lake.tables import partition_column

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")


class LakeTravel(LakeChanges):
    """The lake, and what is left of its past."""

    def lost(self, table: str, version: int, *, until: date) -> str | None:
        """Why the rows of `version` can't be read any more; None: they can.

        Args:
            table: one of `TABLES`.
            version: of the table.
            until: only rows of this and earlier values of `partition_column(table)` are wanted.

        Returns:
            What is gone, as a clause that names the table.

        Raises:
            StorageError: the table can't be read, which is no proof that anything is gone.
        """
        uri = self._uri(table)
        with self._refusals(table, "read"):
            if not _log_reaches(arrow_files(uri), version):
                return f"Delta's log of version {version} of lake table {uri!r} is gone"
        rows = self.dataset(table, version)
        column = partition_column(table)
        files = [file.path for file in rows.get_fragments() if _day_of(file, column) <= until]
        with self._refusals(table, "read"):
            lost = gone(rows, files)
        if not lost:
            return None
        return (
            f"of the {len(files)} files of version {version} of lake table {uri!r} "
            f"{len(lost)} are gone, such as {lost[0]}"
        )


def _log_reaches(files: fs.FileSystem, version: int) -> bool:
    """Whether a checkpoint, or the beginning, and all commits from there to `version` are there."""
    listed = files.get_file_info(fs.FileSelector("_delta_log", allow_not_found=True))
    names = [info.base_name for info in listed]
    commits = {int(match[1]) for match in map(_COMMIT.fullmatch, names) if match}
    checkpoints = [int(match[1]) for match in map(_CHECKPOINT.fullmatch, names) if match]
    start = max((number for number in checkpoints if number <= version), default=-1)
    return commits.issuperset(range(start + 1, version + 1))


def _day_of(file: pads.ParquetFileFragment, column: str) -> date:
    day: date = pads.get_partition_keys(file.partition_expression)[column]
    return day
