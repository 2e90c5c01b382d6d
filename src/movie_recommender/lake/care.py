"""Care for a table's files; rows, offsets and readable versions stay as they are."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from movie_recommender.lake.store import WRITER, Lake, rewriting
from movie_recommender.lake.tables import partition_column

_REWRITE_MEMORY = "512MB"
"""Beyond it, a day's rows are ordered on disk."""


class LakeCare(Lake):
    """The lake, and what keeps its files few and in order."""

    def files_by_date(self, table: str) -> dict[date, int]:
        """How many files the newest version has for each value of `partition_column(table)`.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        if opened is None:
            return {}
        with self._refusals(table, "read"):
            return _files_by_date(table, opened)

    def rewrite(self, table: str, day: date, *, order_by: Sequence[str]) -> tuple[int, int]:
        """Put one day's rows into one file, ordered; how many files went and came.

        Not by delta-rs' own `optimize`: of two at once 1.6 lets both succeed, and every row is
        there twice.

        Args:
            table: one of `TABLES`; it must exist.
            day: value of `partition_column(table)`.
            order_by: columns by which the rows are ordered.

        Raises:
            ConcurrentWriteError: another writer changed the day's files first; nothing changed.
            StorageError: the disk or bucket refused; the table stays at its last version.
        """
        column = partition_column(table)
        with (
            self._refusals(table, "write"),
            tempfile.TemporaryDirectory(prefix="rewrite-") as spill,
            duckdb.connect(
                config={"memory_limit": _REWRITE_MEMORY, "temp_directory": spill}
            ) as connection,
        ):
            opened = self._load(table)
            before = _files_by_date(table, opened)[day]
            connection.execute("SET TimeZone = 'UTC'")
            # With all of its columns, also those that a newer version has added.
            schema = pa.schema(opened.schema().to_arrow())
            connection.register("day", self._rows(table, opened, [day], schema))
            ordered = connection.sql(f"SELECT * FROM day ORDER BY {', '.join(order_by)}")
            batches = (batch.cast(schema) for batch in ordered.to_arrow_reader())
            write_deltalake(
                opened,
                pa.RecordBatchReader.from_batches(schema, batches),
                mode="overwrite",
                predicate=f"{column} = '{day}'",
                writer_properties=WRITER,
                commit_properties=rewriting(opened),
            )
            return before, _files_by_date(table, opened)[day]

    def vacuum(self, table: str, keep: timedelta) -> int:
        """Delete the files that no version younger than `keep` needs; how many they were.

        Also those that a killed writer left behind without a commit.

        Raises:
            StorageError: the disk or bucket refused.
        """
        hours = int(keep / timedelta(hours=1))
        with self._refusals(table, "write"):
            opened = self._open(table)
            return 0 if opened is None else len(opened.vacuum(hours, dry_run=False, full=True))


def _files_by_date(table: str, opened: DeltaTable) -> dict[date, int]:
    actions = pa.table(opened.get_add_actions(flatten=True))
    return dict(Counter(actions[f"partition.{partition_column(table)}"].to_pylist()))
