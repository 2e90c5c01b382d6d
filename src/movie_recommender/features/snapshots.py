"""A build's identity, and the registry of all builds inside the store's file."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

STORE_FORMAT = 1
"""Layout of the store's file; a reader refuses a higher one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CREATE = """
CREATE TABLE store.snapshots (
    sequence BIGINT PRIMARY KEY,
    format INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    lake_versions VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    sql_hash VARCHAR NOT NULL,
    row_counts VARCHAR NOT NULL
)
"""
_READ = """
SELECT format, id, epoch_us(as_of) AS as_of, lake_versions, code_version, sql_hash, row_counts
FROM store.snapshots
ORDER BY sequence DESC
"""


@dataclass(frozen=True)
class Snapshot:
    """One build: what it was made from and how many rows it has.

    `lake_versions`: Delta version by table; a table that didn't exist is absent. `row_counts`: rows
    by published table, and `positives`, the training rows with label 1.
    """

    id: str
    as_of: datetime
    lake_versions: dict[str, int]
    code_version: str
    sql_hash: str
    row_counts: dict[str, int]
    format: int = STORE_FORMAT


def plan(
    *,
    as_of: datetime,
    lake_versions: Mapping[str, int],
    lake_files: Iterable[str],
    code_version: str,
    sql_hash: str,
) -> Snapshot:
    """The snapshot that a build from these inputs makes; its row counts are still empty.

    The id is the first 16 hex digits of a SHA-256 over the inputs: equal inputs, equal id. The
    lake stands in it by the names of its files (unique for ever) and not by its versions: another
    lake has the same version numbers, and an extraction that found only duplicates makes a new
    version of the same files.
    """
    versions = dict(sorted(lake_versions.items()))
    moment = as_of.astimezone(UTC).isoformat()
    inputs = [moment, sorted(lake_files), sql_hash, code_version, STORE_FORMAT]
    digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    return Snapshot(digest[:16], as_of, versions, code_version, sql_hash, {})


def write(connection: duckdb.DuckDBPyConnection, history: Sequence[Snapshot]) -> None:
    """Make the registry table in the attached database `store`; `history` is newest first."""
    connection.execute(_CREATE)
    for sequence, snapshot in enumerate(reversed(history), start=1):
        connection.execute(
            "INSERT INTO store.snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                sequence,
                snapshot.format,
                snapshot.id,
                snapshot.as_of,
                json.dumps(snapshot.lake_versions),
                snapshot.code_version,
                snapshot.sql_hash,
                json.dumps(snapshot.row_counts),
            ],
        )


def read(connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
    """The registry of the attached database `store`, newest first."""
    return [
        Snapshot(
            id=row["id"],
            # DuckDB hands instants to Python through pytz; microseconds need no zone.
            as_of=_EPOCH + timedelta(microseconds=row["as_of"]),
            lake_versions=json.loads(row["lake_versions"]),
            code_version=row["code_version"],
            sql_hash=row["sql_hash"],
            row_counts=json.loads(row["row_counts"]),
            format=row["format"],
        )
        for row in connection.sql(_READ).to_arrow_table().to_pylist()
    ]
