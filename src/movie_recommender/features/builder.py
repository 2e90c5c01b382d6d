"""Run the feature groups' SQL in DuckDB over the lake, into a new store file."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.dataset as ds

from movie_recommender.errors import StorageError
from movie_recommender.features import snapshots
from movie_recommender.features.groups import FeatureGroup, load_groups
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.lake.storage import reason

logger = logging.getLogger(__name__)

_COUNTS = """
SELECT
    (SELECT count(*) FROM store.training_frame) AS training_frame,
    (SELECT count(*) FROM store.training_frame WHERE label = 1) AS positives,
    (SELECT count(*) FROM store.user_features) AS user_features,
    (SELECT count(*) FROM store.movie_features) AS movie_features
"""


def build(
    directory: Path,
    *,
    lake: Mapping[str, ds.Dataset],
    planned: Snapshot,
    history: Sequence[Snapshot],
    memory_limit: str,
    threads: int | None,
) -> tuple[Path, Snapshot]:
    """Build the store of `planned` in `directory`; nothing outside it is touched.

    Args:
        directory: empty; takes the file and what doesn't fit into memory.
        lake: datasets `users`, `movies`, `interactions`, each at the snapshot's version.
        planned: what to build; its row counts are filled in.
        history: the registry so far, newest first; the new snapshot goes before it.
        memory_limit: DuckDB's, for example '2GB'; beyond it intermediate tables spill.
        threads: DuckDB's; None: one for each core.

    Returns:
        The closed, checkpointed file and the finished snapshot.

    Raises:
        StorageError: no room for the file or the spilled tables, or the lake can't be read.
    """
    built = directory / "store.duckdb"
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(directory / "spill"),
    }
    if threads is not None:
        config["threads"] = threads
    with (
        _refusals(directory, memory_limit),
        # A database of its own that the file is attached to: working tables stay out of the file.
        duckdb.connect(":memory:", config=config) as connection,
    ):
        connection.execute("ATTACH ? AS store", [str(built)])
        _close_doors(connection, lake)
        for group in load_groups():
            _run(connection, group, planned)
        counts = connection.sql(_COUNTS).to_arrow_table().to_pylist()[0]
        snapshot = replace(planned, row_counts=counts)
        snapshots.write(connection, [snapshot, *history])
        connection.execute("CHECKPOINT store")
        connection.execute("DETACH store")
    return built, snapshot


def _close_doors(connection: duckdb.DuckDBPyConnection, lake: Mapping[str, ds.Dataset]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    for table, dataset in lake.items():
        connection.register(table, dataset)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _run(connection: duckdb.DuckDBPyConnection, group: FeatureGroup, planned: Snapshot) -> None:
    parameters = {
        "as_of": planned.as_of,
        "last_day": (planned.as_of - timedelta(microseconds=1)).date(),
    }
    used = {name: value for name, value in parameters.items() if f"${name}" in group.sql}
    table = f"TABLE store.{group.name}" if group.published else f"TEMP TABLE {group.name}"
    connection.execute(f"CREATE {table} AS\n{group.sql}", used)
    logger.debug("built feature group %s", group.name)


@contextmanager
def _refusals(directory: Path, memory_limit: str) -> Iterator[None]:
    """Say what the operator can do when DuckDB got no room or the lake no answer."""
    try:
        yield
    # What can't be written to the log fails as a transaction.
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
        message = (
            f"Building the feature store in {directory} stopped: {reason(error)}. Expected "
            f"room for the new file and, beyond {memory_limit} of memory, for intermediate tables; "
            "the published store stays in use as it was. Free space there and run again."
        )
        raise StorageError(message) from error
    except duckdb.InvalidInputException as error:
        if "registered as" not in str(error):
            raise
        message = (
            f"The lake can't be read: {reason(error)}. Expected every file of the lake's "
            "version; the published store stays in use as it was. Grant access to DATA_LAKE_PATH "
            "or restore the file, then run again."
        )
        raise StorageError(message) from error
