"""The quality gates: is what was built fit to be published?

They look at the store's tables in place, before the file takes the published name. Each table is
read once for all rules about its rows, and what an increment didn't touch isn't searched for
duplicates again. The rules stand in `quality_rules`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from movie_recommender.features import quality_history
from movie_recommender.features.findings import Finding, broken, require
from movie_recommender.features.quality_rules import (
    KEYS,
    REFERENCES,
    ROWS,
    KeyRule,
    ReferenceRule,
    RowRule,
)
from movie_recommender.features.snapshots import Snapshot, instant

__all__ = ["Finding", "broken", "check", "require"]

_POSITIVES = """
SELECT
    (SELECT count(*) FROM store.training_frame WHERE label = 1) AS frame,
    (SELECT coalesce(sum(n_positives), 0) FROM store.user_features) AS users,
    (SELECT coalesce(sum(n_positives), 0) FROM store.movie_features) AS movies
"""
_NEWEST_EVENT = "SELECT epoch_us(max(last_active)) AS newest FROM store.user_features"


def check(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    *,
    base: Snapshot | None,
    history: Sequence[Snapshot],
    newest_arrival: datetime | None = None,
) -> list[Finding]:
    """One finding a rule, in the order of `quality_rules`; a store without rows passes all.

    Args:
        connection: with the finished tables in its attached database `store`; TimeZone UTC.
        snapshot: what was built, its row counts filled in.
        base: the snapshot that was added to, whose keys were looked at when it was built; None: the
            store was built whole.
        history: earlier builds, newest first; see `quality_history.row_counts` for those that are
            compared with.
        newest_arrival: when the lake got its newest row; None: not known, no finding about it.
    """
    newest = _one(connection, _NEWEST_EVENT)["newest"]
    newest_event = None if newest is None else instant(newest)
    return [
        *_rows(connection, snapshot.as_of, base),
        *(_unique(connection, rule, base) for rule in KEYS),
        *(_known(connection, rule, base) for rule in REFERENCES),
        _positives_agree(connection),
        *quality_history.row_counts(snapshot, history),
        *quality_history.freshness(newest_event, newest_arrival, snapshot.as_of),
    ]


def _one(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: object) -> dict[str, Any]:
    used = {name: value for name, value in parameters.items() if f"${name}" in sql}
    relation = connection.sql(sql, params=used or None)
    row: dict[str, Any] = relation.to_arrow_table().to_pylist()[0]
    return row


def _rows(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, base: Snapshot | None
) -> list[Finding]:
    findings = []
    new = {key.table: key.recent for key in KEYS} if base is not None else {}
    for table in dict.fromkeys(rule.table for rule in ROWS):
        rules = [rule for rule in ROWS if rule.table == table]
        counts = [
            f"count(*) FILTER (({rule.holds}) IS FALSE) AS {rule.name}_broken" for rule in rules
        ]
        # Of the large table, only what the base, which was looked at, hasn't.
        among = new.get(table) if table == "training_frame" else None
        scan = (
            f"SELECT count(*) AS n, {', '.join(counts)} FROM store.{table} WHERE {among or 'TRUE'}"
        )
        seen = _one(connection, scan, as_of=as_of, known_until=base and base.known_until)
        for rule in rules:
            n_broken = seen[f"{rule.name}_broken"]
            example = f", such as {_example(connection, rule, as_of)}" if n_broken else ""
            finding = Finding(
                rule.rule,
                rule.severity,
                passed=not n_broken,
                observed=f"{n_broken:,} of {seen['n']:,} rows break it{example}",
                expected=f"{rule.expected}, in {', '.join(rule.columns)}",
            )
            findings.append(finding)
    return findings


def _example(connection: duckdb.DuckDBPyConnection, rule: RowRule, as_of: datetime) -> str:
    """A row that breaks the rule: the values that do, and its key."""
    keys = next(key.columns for key in KEYS if key.table == rule.table)
    values = (
        f"CASE WHEN {rule.holds_for(name)} IS FALSE THEN {_shown(name)} END"
        for name in rule.columns
    )
    query = (
        f"SELECT concat_ws(', ', {', '.join(values)}) || ' at ' || "
        f"concat_ws(', ', {', '.join(map(_shown, keys))}) AS example "
        f"FROM store.{rule.table} WHERE ({rule.holds}) IS FALSE LIMIT 1"
    )
    return str(_one(connection, query, as_of=as_of)["example"])


def _shown(column: str) -> str:
    return f"'{column}=' || coalesce(CAST({column} AS VARCHAR), 'NULL')"


def _unique(connection: duckdb.DuckDBPyConnection, rule: KeyRule, base: Snapshot | None) -> Finding:
    """Whether a key stands twice.

    Grouping 20 M pairs every day for what one day may have done costs too much: after an increment,
    only keys that it added a row for are counted, with their older rows. Not among them is a pair
    whose row only gave way to one of an earlier time, which an event that arrived late can cause.
    """
    keys = ", ".join(rule.columns)
    table = f"store.{rule.table}"
    among, touched = "all rows", ""
    if base is not None and rule.recent is not None:
        among = f"rows known after {base.known_until.isoformat()}"
        touched = f"SEMI JOIN (SELECT {keys} FROM {table} WHERE {rule.recent}) USING ({keys})"
    example = f"concat_ws(', ', {', '.join(map(_shown, rule.columns))})"
    query = (
        f"WITH twice AS (SELECT {keys} FROM {table} {touched} GROUP BY ALL HAVING count(*) > 1) "
        f"SELECT count(*) AS n, any_value({example}) AS example FROM twice"
    )
    seen = _one(connection, query, known_until=base and base.known_until)
    such = f", such as {seen['example']}" if seen["n"] else ""
    return Finding(
        rule.rule,
        "fail",
        passed=not seen["n"],
        observed=f"{seen['n']:,} keys of {among} stand more than once{such}",
        expected=f"each {keys} once",
    )


def _known(
    connection: duckdb.DuckDBPyConnection, rule: ReferenceRule, base: Snapshot | None
) -> Finding:
    """Whether every value is there; no row that a base had goes from the tables looked in."""
    recent = next(key.recent for key in KEYS if key.table == rule.table)
    among = recent if base is not None and recent is not None else "TRUE"
    query = (
        f"SELECT count(*) AS n, any_value({rule.column}) AS example FROM store.{rule.table} "
        f"ANTI JOIN (SELECT {rule.key} AS known FROM store.{rule.target}) ON known = {rule.column} "
        f"WHERE {rule.column} IS NOT NULL AND {among}"
    )
    seen = _one(connection, query, known_until=base and base.known_until)
    such = f", such as {seen['example']}" if seen["n"] else ""
    return Finding(
        rule.rule,
        "fail",
        passed=not seen["n"],
        observed=f"{seen['n']:,} rows with a {rule.column} that isn't there{such}",
        expected=f"every {rule.column} in {rule.target}",
    )


def _positives_agree(connection: duckdb.DuckDBPyConnection) -> Finding:
    """A pair turns positive once: where the counts differ, a day counted twice or never."""
    seen = {name: int(value) for name, value in _one(connection, _POSITIVES).items()}
    return Finding(
        "positives.agree",
        "fail",
        passed=len(set(seen.values())) == 1,
        observed=(
            f"{seen['frame']:,} rows with label 1, {seen['users']:,} positives of users, "
            f"{seen['movies']:,} of movies"
        ),
        expected="the same number three times",
    )
