"""A build's identity, and the registry of all builds inside the store's file."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

STORE_FORMAT = 2
"""Layout of the store's file; a reader refuses a higher one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = _EPOCH
"""When the last row became known where there is none."""
_CREATE = """
CREATE OR REPLACE TABLE store.snapshots (
    sequence BIGINT PRIMARY KEY,
    format INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    as_of TIMESTAMPTZ NOT NULL,
    lake_versions VARCHAR NOT NULL,
    lake_ids VARCHAR NOT NULL,
    on_time_until TIMESTAMPTZ NOT NULL,
    known_until TIMESTAMPTZ NOT NULL,
    code_version VARCHAR NOT NULL,
    engine VARCHAR NOT NULL,
    sql_hash VARCHAR NOT NULL,
    row_counts VARCHAR NOT NULL,
    checksums VARCHAR NOT NULL,
    warnings VARCHAR NOT NULL,
    drift VARCHAR NOT NULL,
    profile VARCHAR NOT NULL
)
"""
_INSERT = "INSERT INTO store.snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FORMAT = "SELECT max(format) FROM store.snapshots"
_READ = """
SELECT * REPLACE (
    epoch_us(as_of) AS as_of,
    epoch_us(on_time_until) AS on_time_until,
    epoch_us(known_until) AS known_until
)
FROM store.snapshots
ORDER BY sequence DESC
"""


@dataclass(frozen=True)
class Snapshot:
    """One build: what it was made from and what it holds.

    Attributes:
        id: of its inputs, see `plan`.
        as_of: only events before it count.
        lake_versions: Delta version by table; a table that didn't exist is absent.
        lake_ids: Delta's own id of each of these tables; another lake has others.
        on_time_until: what arrived up to then counts as arrived in time.
        known_until: the last `known_from` of all rows; 1970 without rows.
        code_version: of this package.
        engine: name and version of what computed it.
        sql_hash: see `groups.sql_hash`.
        row_counts: rows by table, and `positives`, the training rows with label 1.
        checksums: by table, over its rows in any order (hex).
        warnings: of the quality rules, a sentence each.
        drift: by feature, against the snapshot that it was compared with.
        profile: how the newest rows are distributed, see `profiles` (JSON).
        format: layout of the file.
    """

    id: str
    as_of: datetime
    lake_versions: dict[str, int]
    lake_ids: dict[str, str]
    on_time_until: datetime
    known_until: datetime
    code_version: str
    engine: str
    sql_hash: str
    row_counts: dict[str, int]
    checksums: dict[str, str]
    warnings: list[str] = field(default_factory=list)
    drift: dict[str, float] = field(default_factory=dict)
    profile: str = ""
    format: int = STORE_FORMAT


def plan(
    *,
    as_of: datetime,
    lake_versions: Mapping[str, int],
    lake_ids: Mapping[str, str],
    lake_files: Iterable[str],
    on_time_until: datetime,
    code_version: str,
    sql_hash: str,
) -> Snapshot:
    """The snapshot that a build from these inputs makes; what it holds is still empty.

    The id is the first 16 hex digits of a SHA-256 over the inputs: equal inputs, equal id. The
    lake stands in it by the names of its files (unique for ever) and not by its versions: another
    lake has the same version numbers, and an extraction that found only duplicates makes a new
    version of the same files.
    """
    engine = f"duckdb {duckdb.__version__}"
    instants = [moment.astimezone(UTC).isoformat() for moment in (as_of, on_time_until)]
    inputs = [*instants, sorted(lake_files), sql_hash, code_version, engine, STORE_FORMAT]
    digest = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    return Snapshot(
        id=digest[:16],
        as_of=as_of,
        lake_versions=dict(sorted(lake_versions.items())),
        lake_ids=dict(sorted(lake_ids.items())),
        on_time_until=on_time_until,
        known_until=NEVER,
        code_version=code_version,
        engine=engine,
        sql_hash=sql_hash,
        row_counts={},
        checksums={},
    )


def write(connection: duckdb.DuckDBPyConnection, history: Sequence[Snapshot]) -> None:
    """Make the registry table in the attached database `store`; `history` is newest first."""
    connection.execute(_CREATE)
    for sequence, snapshot in enumerate(reversed(history), start=1):
        row = [
            snapshot.format,
            snapshot.id,
            snapshot.as_of,
            json.dumps(snapshot.lake_versions),
            json.dumps(snapshot.lake_ids),
            snapshot.on_time_until,
            snapshot.known_until,
            snapshot.code_version,
            snapshot.engine,
            snapshot.sql_hash,
            json.dumps(snapshot.row_counts),
            json.dumps(snapshot.checksums),
            json.dumps(snapshot.warnings),
            json.dumps(snapshot.drift),
            snapshot.profile,
        ]
        connection.execute(_INSERT, [sequence, *row])


def newest_format(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Layout of the attached database `store`; None when its registry is empty."""
    [(found,)] = connection.sql(_FORMAT).fetchall()
    return None if found is None else int(found)


def read(connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
    """The registry of the attached database `store`, newest first."""
    return [_snapshot(row) for row in connection.sql(_READ).to_arrow_table().to_pylist()]


def _snapshot(row: dict[str, Any]) -> Snapshot:
    return Snapshot(
        id=row["id"],
        as_of=instant(row["as_of"]),
        lake_versions=json.loads(row["lake_versions"]),
        lake_ids=json.loads(row["lake_ids"]),
        on_time_until=instant(row["on_time_until"]),
        known_until=instant(row["known_until"]),
        code_version=row["code_version"],
        engine=row["engine"],
        sql_hash=row["sql_hash"],
        row_counts=json.loads(row["row_counts"]),
        checksums=json.loads(row["checksums"]),
        warnings=json.loads(row["warnings"]),
        drift=json.loads(row["drift"]),
        profile=row["profile"],
        format=row["format"],
    )


def instant(microseconds: int) -> datetime:
    """The instant so many microseconds after 1970 (UTC)."""
    # DuckDB hands instants to Python through pytz; microseconds need no zone.
    return _EPOCH + timedelta(microseconds=microseconds)
