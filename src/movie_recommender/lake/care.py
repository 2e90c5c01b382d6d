"""Care for a table's files; rows, offsets and readable versions stay as they are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.transaction import RemoveAction

from movie_recommender.errors import StorageError
from movie_recommender.lake.files import write_day
from movie_recommender.lake.order import in_order
from movie_recommender.lake.rows import scan
from movie_recommender.lake.store import Lake, rewriting
from movie_recommender.lake.tables import partition_column


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
        with self._refusals(table, "write"):
            opened = self._load(table)
            # With all of its columns, also those that a newer version has added.
            schema = pa.schema(opened.schema().to_arrow())
            rows = in_order(
                scan(self._rows(table, opened, [day], schema)).to_reader(), schema, order_by
            )
            added = write_day(self._uri(table), table, day, rows, data_change=False)
            if added is None:
                return 0, 0
            removed = _removals(opened, column, day, added.modification_time)
            opened.create_write_transaction(
                [added, *removed],
                "append",
                opened.schema(),
                partition_by=column,
                commit_properties=rewriting(opened),
            )
            return len(removed), 1

    def replace(
        self,
        table: str,
        day: date,
        rows: pa.RecordBatchReader,
        *,
        made_from: int,
        apps: Iterable[str],
    ) -> None:
        """Put `rows` in place of a day's, in one commit.

        Args:
            table: one of `TABLES`; it must exist.
            day: value of `partition_column(table)`, also of all `rows`; without rows it is emptied.
            rows: columns of `table_schema(table)`.
            made_from: the version that `rows` were made from.
            apps: application ids, whose values stay. Who sets one of them at the same time gives
                way, or this one does; else an extraction could add what `rows` bring, too.

        Raises:
            ConcurrentWriteError: the table isn't at `made_from` any more, or another writer changed
                the day meanwhile; nothing was written.
            StorageError: the disk or bucket refused, or a newer version of this program has added
                columns; the table stays at its last version.
            ValueError: a row is of another day; nothing was written.
        """
        column = partition_column(table)
        with self._refusals(table, "write"):
            opened = self._load(table)
            if opened.version() != made_from:
                raise self._conflict(table, f"version {opened.version()}, not {made_from}")
            known = {field.name for field in opened.schema().fields}
            self._refuse_unknown(table, known - set(rows.schema.names))
            found = ((app, opened.transaction_version(app)) for app in apps)
            kept = [Transaction(app, value) for app, value in found if value is not None]
            added = write_day(self._uri(table), table, day, rows, data_change=True)
            opened.create_write_transaction(
                [] if added is None else [added],
                "overwrite",
                rows.schema,
                partition_by=column,
                partition_filters=[(column, "=", str(day))],
                commit_properties=rewriting(opened, *kept),
            )

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

    def _refuse_unknown(self, table: str, columns: set[str]) -> None:
        if columns:
            message = (
                f"Lake table {self._uri(table)!r} has columns that this version doesn't know "
                f"({', '.join(sorted(columns))}) and would empty. Nothing was written. Run the "
                "version that added them."
            )
            raise StorageError(message)


def _removals(opened: DeltaTable, column: str, day: date, now: int) -> list[RemoveAction]:
    """Of each of the day's files, that another has its rows from `now` (ms) on."""
    actions = pa.table(opened.get_add_actions(flatten=True)).select(
        ["path", "size_bytes", f"partition.{column}"]
    )
    return [
        RemoveAction(path, False, now, size, {column: str(day)})
        for path, size, of in zip(*actions.to_pydict().values(), strict=True)
        if of == day
    ]


def _files_by_date(table: str, opened: DeltaTable) -> dict[date, int]:
    actions = pa.table(opened.get_add_actions(flatten=True))
    return dict(Counter(actions[f"partition.{partition_column(table)}"].to_pylist()))
