"""The data lake: Delta tables of events and dead letters, each commit carrying Kafka offsets.

A commit adds rows and, as Delta application transactions, the next offset of every Kafka partition
that they came from. Both become visible together or not at all, so whoever goes on from
`Lake.offsets` neither loses nor repeats a message, wherever the one before was killed.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from movie_recommender.errors import ConcurrentWriteError, NotReadyError, StorageError
from movie_recommender.lake.exclusive import require_exclusive_create
from movie_recommender.lake.rows import rows_of
from movie_recommender.lake.storage import arrow_files, is_bucket, reason, storage_options
from movie_recommender.lake.tables import (
    DISTINCT,
    TABLES,
    UNBOUNDED,
    app_id,
    partition_column,
    table_schema,
)

QUICK = WriterProperties(
    column_properties={
        **{name: ColumnProperties(dictionary_enabled=False) for name in DISTINCT},
        **{
            name: ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
            for name in UNBOUNDED
        },
    },
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
)
"""For rows that have just come: no page statistics, which order alone makes useful."""

REWRITE = "rewrite"
"""Application id that every commit sets which puts new files in place of old ones."""


class Lake:
    """The Delta tables under one root.

    Args:
        path: a directory, `s3://bucket/prefix` or `gs://bucket/prefix` (see `storage.py`).
    """

    def __init__(self, path: str) -> None:
        self.path = path.removeprefix("file://").rstrip("/") or "/"
        self._options = storage_options(self.path)
        self._opened: dict[str, DeltaTable] = {}

    def append(
        self,
        table: str,
        rows: pa.Table,
        offsets: Mapping[str, int],
        *,
        expected: Mapping[str, int] | None = None,
        unchanged_since: int | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> int:
        """Add `rows` and set `offsets` in one commit; creates the table when it isn't there.

        Args:
            table: one of `TABLES`.
            rows: columns of `table_schema(table)`; may be empty when only offsets advance.
            offsets: next offset to read, by `app_id`.
            expected: the committed offsets that `rows` were computed from, by `app_id` (absent:
                none yet); None trusts the caller to be the only writer.
            unchanged_since: the version that `rows` were computed from; None when `expected` tells.
            notes: kept in the table's history with this commit.

        Returns:
            The table's version after the commit.

        Raises:
            ConcurrentWriteError: another writer moved one of `offsets` since `expected` was read,
                or committed anything after `unchanged_since`; nothing was written.
            StorageError: the disk or bucket refused; the table stays at its last version.
        """
        schema = table_schema(table)
        with self._refusals(table, "write"):
            opened = self._create(table)
            # Compared on the very object that writes: Delta refuses what is committed after it was
            # opened, this refuses what was committed before.
            self._compare(table, opened, offsets, expected)
            if unchanged_since not in (None, opened.version()):
                raise self._conflict(table, f"version {opened.version()}, not {unchanged_since}")
            known = {field.name for field in opened.schema().fields}
            write_deltalake(
                opened,
                rows.select(schema.names).cast(schema),
                mode="append",
                # A contract with new fields widens the table; of one that a newer version has
                # widened, the columns unknown here stay null.
                schema_mode=None if known == set(schema.names) else "merge",
                writer_properties=QUICK,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(app, offset) for app, offset in offsets.items()],
                    custom_metadata=dict(notes or {}),
                ),
            )
            return int(opened.version())

    def delete(self, table: str, condition: str, *, unchanged_since: int | None = None) -> None:
        """Delete the rows for which the SQL `condition` holds, in one commit.

        Not by delta-rs' own `delete`: 1.6 writes the rows that stay as string views, which Arrow
        can't filter (delta-rs issue 4579).

        Args:
            table: one of `TABLES`; nothing is done where it doesn't exist.
            condition: in terms of the table's columns.
            unchanged_since: the version for which that is right; None: for any.

        Raises:
            ConcurrentWriteError: another writer rewrote files first, or committed anything after
                `unchanged_since`; nothing was deleted.
            StorageError: the disk or bucket refused; the table stays at its last version.
        """
        with self._refusals(table, "write"):
            opened = self._open(table)
            if opened is None:
                return
            if unchanged_since not in (None, opened.version()):
                raise self._conflict(table, f"version {opened.version()}, not {unchanged_since}")
            write_deltalake(
                opened,
                pa.schema(opened.schema().to_arrow()).empty_table(),
                mode="overwrite",
                predicate=condition,
                writer_properties=QUICK,
                commit_properties=rewriting(opened),
            )

    def offsets(self, table: str, kafka_topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Committed next offset of each of the topic's partitions; absent where there is none.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        if opened is None:
            return {}
        found = {p: opened.transaction_version(app_id(kafka_topic, p)) for p in partitions}
        return {p: int(offset) for p, offset in found.items() if offset is not None}

    def transaction(self, table: str, app: str) -> int | None:
        """What the last commit that named `app` set it to; None where none did.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        return None if opened is None else opened.transaction_version(app)

    def version(self, table: str) -> int | None:
        """The table's newest version; None when it doesn't exist.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        return None if opened is None else int(opened.version())

    def versions(self) -> dict[str, int]:
        """Newest version of every table that exists, by name.

        Raises:
            StorageError: a table can't be read.
        """
        found = {table: self.version(table) for table in TABLES}
        return {table: version for table, version in found.items() if version is not None}

    def count(self, table: str) -> int:
        """Rows of the newest version, from Delta's statistics; 0 when the table doesn't exist.

        Raises:
            StorageError: the table can't be read.
        """
        opened = self._open(table)
        with self._refusals(table, "read"):
            return 0 if opened is None else int(opened.count())

    def dataset(
        self,
        table: str,
        version: int | None = None,
        *,
        dates: Sequence[date] | None = None,
        not_before: date | None = None,
    ) -> pads.Dataset:
        """The table's rows, lazily, with the columns of `table_schema(table)`.

        Args:
            table: one of `TABLES`; a table that doesn't exist has no rows.
            version: the newest when None.
            dates: only files of these values of `partition_column(table)`; opening thousands of
                files takes seconds, a day's takes milliseconds.
            not_before: only files of this and later values of it.

        Raises:
            NotReadyError: `version` doesn't exist.
            StorageError: the table can't be read.
        """
        opened = self._open(table, version)
        if opened is None or (dates is not None and not dates):
            return pads.dataset(table_schema(table).empty_table())
        with self._refusals(table, "read"):
            return self._rows(table, opened, dates, table_schema(table), not_before)

    def _rows(
        self,
        table: str,
        opened: DeltaTable,
        dates: Sequence[date] | None,
        schema: pa.Schema,
        not_before: date | None = None,
    ) -> pads.Dataset:
        if opened.protocol().min_reader_version > 1:
            # Another program gave the table a feature: delta-rs knows whether Arrow can read it.
            files = arrow_files(self._uri(table))
            return opened.to_pyarrow_dataset(schema=schema, filesystem=files)
        # Else by hand: of each file, delta-rs also makes an expression of its statistics, which
        # takes 2 ms and says what Parquet says itself.
        column = partition_column(table)
        actions = opened.get_add_actions(flatten=True).select(["path", f"partition.{column}"])
        found = zip(*pa.table(actions).to_pydict().values(), strict=True)
        wanted = None if dates is None else set(dates)
        chosen = [
            (path, day)
            for path, day in found
            if (wanted is None or day in wanted) and (not_before is None or day >= not_before)
        ]
        return rows_of(self._uri(table), table, chosen, schema)

    def _uri(self, table: str) -> str:
        return f"{self.path}/{table}"

    def _load(self, table: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self._uri(table), version=version, storage_options=self._options)

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        with self._refusals(table, "read"):
            opened = self._newest(table)
            newest = None if opened is None else opened.version()
            if version is None or version == newest:
                return opened
            if newest is None or not 0 <= version < newest:
                message = (
                    f"Version {version} of lake table {self._uri(table)!r} doesn't exist; "
                    f"the newest is {newest}. "
                    "Check DATA_LAKE_PATH, or run `movie-recommender extract` first."
                )
                raise NotReadyError(message)
            return self._load(table, version)

    def _newest(self, table: str) -> DeltaTable | None:
        """Read whole the first time; after that, only what was committed since."""
        opened = self._opened.pop(table, None)
        with contextlib.suppress(TableNotFoundError):
            try:
                if opened is not None:
                    opened.update_incremental()
            except DeltaError:  # versions are gone: somebody restored the table
                opened = None
            self._opened[table] = opened or self._load(table)
        return self._opened.get(table)

    def _create(self, table: str) -> DeltaTable:
        opened = self._open(table)
        if opened is not None:
            return opened
        if is_bucket(self.path):
            require_exclusive_create(self.path)
        # Two writers may both come here: the loser's commit of version 0 fails, and it opens the
        # winner's table.
        with contextlib.suppress(CommitFailedError):
            DeltaTable.create(
                self._uri(table),
                schema=table_schema(table),
                mode="ignore",
                partition_by=[partition_column(table)],
                storage_options=self._options,
            )
        return self._load(table)

    def _compare(
        self,
        table: str,
        opened: DeltaTable,
        offsets: Mapping[str, int],
        expected: Mapping[str, int] | None,
    ) -> None:
        if expected is None:
            return
        for app in offsets:
            committed = opened.transaction_version(app)
            if committed != expected.get(app):
                raise self._conflict(table, f"{app} is at {committed}, not {expected.get(app)}")

    def _conflict(self, table: str, found: str) -> ConcurrentWriteError:
        message = (
            f"Another extraction committed to lake table {self._uri(table)!r} first ({found}); "
            "nothing was written by this one. Run it again: it goes on from the other's result."
        )
        return ConcurrentWriteError(message)

    @contextlib.contextmanager
    def _refusals(self, table: str, verb: str) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise self._conflict(table, reason(error)) from error
        except (DeltaError, OSError) as error:
            message = (
                f"Can't {verb} lake table {self._uri(table)!r}: {reason(error)}. "
                "It stays at its last version. Free space, grant access or correct DATA_LAKE_PATH, "
                "then run again."
            )
            # What a bucket's server answers repeats the request, with the name of the key.
            raise StorageError(message) from (None if is_bucket(self.path) else error)


def rewriting(opened: DeltaTable, *others: Transaction) -> CommitProperties:
    """What makes two commits collide that both put new files in place of old ones."""
    return CommitProperties(app_transactions=[Transaction(REWRITE, opened.version()), *others])
