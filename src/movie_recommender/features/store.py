"""The reader of a published feature store."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa

from movie_recommender.errors import (
    ConfigurationError,
    InputDataError,
    NotReadyError,
    StorageError,
)
from movie_recommender.features import schemas, snapshots
from movie_recommender.features.snapshots import STORE_FORMAT, Snapshot

_READ_AS = {
    "taste": """
    map_from_entries(list_transform(
        taste, lambda of: {'genre': genre_names[of.genre + 1], 'weight': of.weight}
    )) AS taste
    """
}
"""Columns that the file holds in another form: genres by number, which is faster to make."""

_ROWS_AT_ONCE = 250_000
_ALL = {"since": snapshots.instant(0)}
_REMEDY = "Build it with `movie-recommender features`."


class FeatureStore:
    """One published file, open for reading; it stays this build even when a newer is published.

    Tables come as Arrow tables with the columns of `features.schemas`. Not for several threads at
    once: open one for each.

        with FeatureStore.open(settings.feature_store_path) as store:
            frame = store.get_training_frame()
    """

    def __init__(
        self,
        path: Path,
        connection: duckdb.DuckDBPyConnection,
        registry: list[Snapshot],
        *,
        entities_in_memory: bool = False,
    ) -> None:
        self._path = path
        self._connection = connection
        self._registry = registry
        self._in_memory: dict[str, pa.Table] | None = {} if entities_in_memory else None

    @classmethod
    def open(cls, path: str | Path, *, entities_in_memory: bool = False) -> Self:
        """The store at `path`.

        Args:
            path: the published file.
            entities_in_memory: keep the user and movie tables from their first read on, for who
                reads a few rows at a time and often: well under a millisecond in place of some ten,
                for about 250 bytes a row.

        Raises:
            NotReadyError: there is no file.
            InputDataError: the file is damaged, no feature store, or of a newer version.
            StorageError: the disk refused to read it.
        """
        path = Path(path)
        _check_readable(path)
        # Attached to a database of our own: duckdb.connect(path) would hand out the old build
        # again while anybody in this process still has it open.
        connection = duckdb.connect(":memory:")
        try:
            with _damage_named(path):
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("ATTACH ? AS store (READ_ONLY)", [str(path)])
                connection.execute("SET enable_external_access = false")
                connection.execute("SET lock_configuration = true")
                found = snapshots.newest_format(connection)
                _check_format(path, found)
                registry = snapshots.read(connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, registry, entities_in_memory=entities_in_memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the store can't be used afterwards."""
        self._connection.close()

    @property
    def snapshot(self) -> Snapshot:
        """The build that this file is."""
        return self._registry[0]

    def snapshots(self) -> list[Snapshot]:
        """All builds that led here, newest first."""
        return list(self._registry)

    def get_training_frame(
        self, as_of: datetime | None = None, *, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Labelled (user, movie) pairs with their point-in-time features.

        Args:
            as_of: only rows with an earlier event_time; None: the snapshot's own.
            columns: of `schemas.TRAINING_FRAME`; None: all.

        Returns:
            These columns, sorted by event_time, user_id, movie_id.

        Raises:
            ConfigurationError: `as_of` is later than the snapshot's, or has no time zone.
            InputDataError: the file is damaged.
            KeyError: the frame has no such column.
        """
        schema = _some(schemas.TRAINING_FRAME, columns)
        return self._read(_frame_sql(schema), {**_ALL, "until": self._bound(as_of)}, schema)

    def read_training_frame(
        self,
        as_of: datetime | None = None,
        *,
        columns: Sequence[str] | None = None,
        batch_rows: int = 65_536,
    ) -> Iterator[pa.RecordBatch]:
        """As `get_training_frame`, a batch at a time: memory holds a part of the frame.

        Args:
            as_of: only rows with an earlier event_time; None: the snapshot's own.
            columns: of `schemas.TRAINING_FRAME`; None: all.
            batch_rows: the most rows of a batch.

        Yields:
            Batches that one after the other are the sorted frame.

        Raises:
            ConfigurationError: `as_of` is later than the snapshot's, or has no time zone.
            InputDataError: the file is damaged.
            KeyError: the frame has no such column.
        """
        schema = _some(schemas.TRAINING_FRAME, columns)
        bound = self._bound(as_of)
        for since, until in pairwise([*self._cuts(bound), bound]):
            part = self._read(_frame_sql(schema), {"since": since, "until": until}, schema)
            yield from part.combine_chunks().to_batches(max_chunksize=batch_rows)

    def _cuts(self, until: datetime) -> list[datetime]:
        """Instants that cut the frame into parts of about `_ROWS_AT_ONCE` rows and whole hours."""
        sql = """
            SELECT epoch_us(date_trunc('hour', event_time)) AS begins, count(*) AS n
            FROM store.training_frame
            WHERE event_time < $until
            GROUP BY begins
            ORDER BY begins
            """
        with _damage_named(self._path):
            hours = self._connection.sql(sql, params={"until": until}).fetchall()
        cuts, n_rows = [snapshots.instant(0)] if hours else [], 0
        for begins, n in hours:
            if n_rows and n_rows + n > _ROWS_AT_ONCE:
                cuts.append(snapshots.instant(begins))
                n_rows = 0
            n_rows += n
        return cuts

    def get_user_features(self, ids: Sequence[int] | None = None) -> pa.Table:
        """What is known about the users `ids` (None: all); unknown ids have no row.

        Returns:
            Columns `schemas.USER_FEATURES`, sorted by user_id.

        Raises:
            InputDataError: the file is damaged.
        """
        return self.get_features("user_features", ids)

    def get_movie_features(self, ids: Sequence[int] | None = None) -> pa.Table:
        """What is known about the movies `ids` (None: all); unknown ids have no row.

        Returns:
            Columns `schemas.MOVIE_FEATURES`, sorted by movie_id.

        Raises:
            InputDataError: the file is damaged.
        """
        return self.get_features("movie_features", ids)

    def get_features(self, group: str, ids: Sequence[int] | None = None) -> pa.Table:
        """What a feature group knows about the entities `ids` (None: all); unknown ids have no row.

        Args:
            group: name of an entity's group in `schemas.PUBLISHED`.
            ids: of the group's first column.

        Returns:
            Columns of `schemas.PUBLISHED[group]`, sorted by the first.

        Raises:
            InputDataError: the file is damaged, or was built before there was this group.
            KeyError: no such group is published.
        """
        schema = schemas.PUBLISHED[group]
        if self._in_memory is not None:
            return self._from_memory(self._in_memory, group, ids, schema)
        return self._from_file(group, ids, schema)

    def verify(self) -> None:
        """Read every block of the published tables.

        Raises:
            InputDataError: a block is damaged or a table is missing.
        """
        with _damage_named(self._path):
            for table in schemas.PUBLISHED:
                self._connection.execute(f"SELECT bit_xor(hash(t)) FROM store.{table} AS t")

    def _bound(self, as_of: datetime | None) -> datetime:
        newest = self.snapshot.as_of
        if as_of is None:
            return newest
        if as_of.tzinfo is None:
            message = f"as_of={as_of.isoformat()} has no time zone, expected an instant in UTC."
            raise ConfigurationError(message)
        if as_of > newest:
            message = (
                f"A training frame as of {as_of.astimezone(UTC).isoformat()} was asked of the "
                f"feature store {self._path}, whose newest events are from before "
                f"{newest.isoformat()}. Ask for an earlier instant, or build the later snapshot "
                "with `movie-recommender features`."
            )
            raise ConfigurationError(message)
        return as_of

    def _from_memory(
        self,
        kept: dict[str, pa.Table],
        table: str,
        ids: Sequence[int] | None,
        schema: pa.Schema,
    ) -> pa.Table:
        if table not in kept:
            kept[table] = self._from_file(table, None, schema).combine_chunks()
        if ids is None or not kept[table].num_rows:
            return kept[table]
        known, asked = kept[table].column(0).to_numpy(), np.unique(np.asarray(ids, dtype=np.int64))
        places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return kept[table].take(pa.array(places[known[places] == asked]))

    def _from_file(self, table: str, ids: Sequence[int] | None, schema: pa.Schema) -> pa.Table:
        key = schema.names[0]
        columns = ", ".join(_READ_AS.get(name, name) for name in schema.names)
        names = "(SELECT list(genre ORDER BY number) AS genre_names FROM store.genres)"
        rows = f"SELECT {columns} FROM store.{table} CROSS JOIN {names}"
        if ids is None:
            return self._read(f"{rows} ORDER BY {key}", {}, schema)
        return self._read(
            f"{rows} WHERE {key} IN (SELECT unnest(CAST($ids AS BIGINT[]))) ORDER BY {key}",
            {"ids": [int(value) for value in ids]},
            schema,
        )

    def _read(self, sql: str, parameters: dict[str, object], schema: pa.Schema) -> pa.Table:
        with _damage_named(self._path):
            table = self._connection.sql(sql, params=parameters or None).to_arrow_table()
        return table.select(schema.names).cast(schema)


def _some(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def _frame_sql(schema: pa.Schema) -> str:
    return (
        f"SELECT {', '.join(schema.names)} FROM store.training_frame "
        "WHERE event_time >= $since AND event_time < $until "
        "ORDER BY event_time, user_id, movie_id"
    )


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        message = f"There is no feature store at {path}, expected a published file. {_REMEDY}"
        raise NotReadyError(message) from None
    except OSError as error:
        message = (
            f"The feature store {path} can't be read ({error.strerror}), expected a file that this "
            "user may read. Correct FEATURE_STORE_PATH or the file's permissions."
        )
        raise StorageError(message) from error


def _check_format(path: Path, found: int | None) -> None:
    if found is None:
        message = f"The feature store {path} has an empty registry, expected a snapshot. {_REMEDY}"
        raise InputDataError(message)
    if found > STORE_FORMAT:
        message = (
            f"The feature store {path} has format {found}, expected {STORE_FORMAT}: a newer "
            "version of this package wrote it. Upgrade the package, or build the store again with "
            "`movie-recommender features`."
        )
        raise InputDataError(message)
    if found < STORE_FORMAT:
        message = (
            f"The feature store {path} has format {found}, expected {STORE_FORMAT}: an older "
            f"version of this package wrote it. {_REMEDY}"
        )
        raise InputDataError(message)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        message = (
            f"The feature store {path} is damaged or no feature store: "
            f"{str(error).splitlines()[0]} Expected a file that this package published. {_REMEDY}"
        )
        raise InputDataError(message) from error
