"""What was appended to a table between two versions, from Delta's log."""

import json
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pyarrow import fs

from movie_recommender.lake.rows import gone, rows_of
from movie_recommender.lake.storage import arrow_files
from movie_recommender.lake.store import Lake
from movie_recommender.lake.tables import partition_column, table_schema


class LakeChanges(Lake):
    """The lake, and what is new in it."""

    def appended(self, table: str, since: int, version: int) -> pads.Dataset | None:
        """The rows that `version` has and `since` hasn't, if that is all in which they differ.

        Files that were only rewritten, with the same rows, don't count.

        Args:
            table: one of `TABLES`.
            since: the older version.
            version: the newer one.

        Returns:
            Columns of `table_schema(table)`; None where rows were deleted or replaced, or where the
            log or the files of that time are gone.
        """
        if since == version:
            return rows_of(self._uri(table), table, [], table_schema(table))
        files = arrow_files(self._uri(table))
        added: list[dict[str, Any]] = []
        for number in range(since + 1, version + 1):
            actions = _actions(files, number)
            if actions is None or any(_takes_rows(action) for action in actions):
                return None
            added += [action["add"] for action in actions if "add" in action]
        column = partition_column(table)
        chosen = [
            (unquote(file["path"]), date.fromisoformat(file["partitionValues"][column]))
            for file in added
            if file["dataChange"]
        ]
        rows = rows_of(self._uri(table), table, chosen, table_schema(table))
        return None if gone(rows) else rows

    def id(self, table: str) -> str | None:
        """Delta's own id of the table, another one for each table ever made; None: no table.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        return None if opened is None else str(opened.metadata().id)

    def first_ingestion(self, table: str, version: int) -> datetime | None:
        """When the first of the table's rows arrived, from Delta's statistics; None: no rows.

        Raises:
            NotReadyError: `version` doesn't exist.
            StorageError: the table can't be read.
        """
        opened = self._open(table, version)
        if opened is None:
            return None
        with self._refusals(table, "read"):
            actions = pa.table(opened.get_add_actions(flatten=True))
        if "min.ingestion_time" not in actions.column_names:
            return None
        first: datetime | None = pc.min(actions["min.ingestion_time"]).as_py()
        return first


def _actions(files: fs.FileSystem, version: int) -> list[dict[str, Any]] | None:
    try:
        with files.open_input_stream(f"_delta_log/{version:020}.json") as stream:
            return [json.loads(line) for line in stream.read().splitlines() if line]
    except FileNotFoundError:
        return None


def _takes_rows(action: dict[str, Any]) -> bool:
    return bool(action.get("remove", {}).get("dataChange", False))
