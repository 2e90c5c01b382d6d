"""Quality rules that look at earlier builds and at the calendar: row counts, growth, freshness."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from movie_recommender.features.findings import Finding, Severity
from movie_recommender.features.quality_rules import (
    GROWING,
    GROWTH_FACTOR,
    KEPT,
    MAX_AGE_DAYS,
    MAX_LOSS,
    MIN_GROWTHS,
    N_GROWTHS,
    POSITIVE_SHARE,
)
from movie_recommender.features.snapshots import Snapshot

_DAY = timedelta(days=1)


def row_counts(snapshot: Snapshot, history: Iterable[Snapshot]) -> list[Finding]:
    """That rows aren't lost, grow as usual and have both labels, by `snapshot.row_counts`.

    Compared with are the builds in `history` of an earlier or equal as_of, by the same SQL, from
    the same lake; of several at one as_of, the one that comes first. Without any, all holds.
    """
    same = [
        earlier
        for earlier in history
        if earlier.as_of <= snapshot.as_of
        and earlier.sql_hash == snapshot.sql_hash
        and earlier.lake_ids.items() <= snapshot.lake_ids.items()
        and all(
            version <= snapshot.lake_versions[table]
            for table, version in earlier.lake_versions.items()
        )
    ]
    comparable = sorted(same, key=lambda earlier: earlier.as_of, reverse=True)
    days = _days_apart(snapshot, comparable)
    return [
        *(_kept(table, snapshot, comparable) for table in KEPT),
        *(_growth(table, days) for table in GROWING),
        _positive_share(snapshot),
    ]


def freshness(
    newest_event: datetime | None, newest_arrival: datetime | None, as_of: datetime
) -> list[Finding]:
    """That the newest event, and the newest arrival where it is known, aren't old at `as_of`."""
    findings = [_fresh("fresh.newest_event", newest_event, as_of)]
    if newest_arrival is not None:
        findings.append(_fresh("fresh.newest_arrival", newest_arrival, as_of))
    return findings


def _days_apart(snapshot: Snapshot, comparable: Iterable[Snapshot]) -> list[Snapshot]:
    """The snapshot and those before it; closer ones are of one day and show no day's growth."""
    builds = [snapshot]
    for earlier in comparable:
        if builds[-1].as_of - earlier.as_of >= _DAY / 2:
            builds.append(earlier)
    return builds[: N_GROWTHS + 2]


def _kept(table: str, snapshot: Snapshot, comparable: Sequence[Snapshot]) -> Finding:
    now = snapshot.row_counts[table]
    if not comparable:
        return _passed(f"rows_kept.{table}", "fail", f"{now:,} rows, no earlier build")
    before = comparable[0].row_counts[table]
    few = now < before and before - now < MAX_LOSS * before
    return Finding(
        f"rows_kept.{table}",
        "warn" if few else "fail",
        passed=now >= before,
        observed=f"{now:,} rows",
        expected=f"at least the {before:,} of {_named(comparable[0])}",
    )


def _growth(table: str, builds: Sequence[Snapshot]) -> Finding:
    rates = [
        (later.row_counts[table] - earlier.row_counts[table])
        / ((later.as_of - earlier.as_of) / _DAY)
        for later, earlier in pairwise(builds)
    ]
    today, before = rates[:1], rates[1:]
    if len(before) < MIN_GROWTHS:
        return _passed(f"growth.{table}", "warn", f"only {len(before)} days to compare with")
    usual = median(before)
    low, high = usual / GROWTH_FACTOR, usual * GROWTH_FACTOR
    return Finding(
        f"growth.{table}",
        "warn",
        passed=usual <= 0 or low <= today[0] <= high,
        observed=f"{today[0]:+,.0f} rows a day since {_named(builds[1])}",
        expected=f"{low:+,.0f} to {high:+,.0f}, by the median of {len(before)} growths before",
    )


def _positive_share(snapshot: Snapshot) -> Finding:
    n_rows = snapshot.row_counts["training_frame"]
    if not n_rows:
        return _passed("positives.share", "warn", "no rows")
    share = snapshot.row_counts["positives"] / n_rows
    low, high = POSITIVE_SHARE
    return Finding(
        "positives.share",
        "warn",
        passed=low <= share <= high,
        observed=f"{share:.2%} of {n_rows:,} rows have label 1",
        expected=f"{low:.1%} to {high:.1%}",
    )


def _fresh(rule: str, newest: datetime | None, as_of: datetime) -> Finding:
    if newest is None:
        return _passed(rule, "warn", "no events")
    age = (as_of - newest) / _DAY
    when = newest.astimezone(UTC).isoformat(timespec="seconds")
    return Finding(
        rule,
        "warn",
        passed=age <= MAX_AGE_DAYS,
        observed=f"{when}, {age:.1f} days before as_of",
        expected=f"at most {MAX_AGE_DAYS:g} days before",
    )


def _passed(rule: str, severity: Severity, observed: str) -> Finding:
    return Finding(rule, severity, passed=True, observed=observed, expected="nothing yet")


def _named(snapshot: Snapshot) -> str:
    return f"snapshot {snapshot.id}, as_of {snapshot.as_of.astimezone(UTC).isoformat()}"
