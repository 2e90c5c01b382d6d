"""Each rule holds in a good store and is broken by one change to it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.features import snapshots
from movie_recommender.features.quality import Finding, broken, check, require
from movie_recommender.features.quality_rules import KEYS, REFERENCES, ROWS
from movie_recommender.features.snapshots import Snapshot
from tests.unit.features.tiny_store import AS_OF, LIKED, MOVIE, ROW, USER, empty, good, insert

NO_ROWS = dict.fromkeys(("training_frame", "positives", "user_features", "movie_features"), 0)
DAY = timedelta(days=1)

BREACHES = [
    ("training_frame.filled", "UPDATE store.training_frame SET weight = NULL WHERE user_id = 1"),
    ("training_frame.filled", "UPDATE store.training_frame SET met_from = NULL WHERE user_id = 1"),
    (
        "training_frame.past",
        "UPDATE store.training_frame SET event_time = '2026-06-10 00:00+00' WHERE user_id = 1",
    ),
    ("training_frame.label_explained", "UPDATE store.training_frame SET positive_from = NULL"),
    ("training_frame.weight", "UPDATE store.training_frame SET weight = -1"),
    ("training_frame.weight", "UPDATE store.training_frame SET weight = 'nan'"),
    ("training_frame.counts", "UPDATE store.training_frame SET movie_positives_7d = -1"),
    ("training_frame.counts", "UPDATE store.training_frame SET user_events = NULL"),
    ("training_frame.amounts", "UPDATE store.training_frame SET user_session_minutes = -0.1"),
    ("training_frame.amounts", "UPDATE store.training_frame SET movie_popularity = 'infinity'"),
    ("training_frame.own_day_unseen", "UPDATE store.training_frame SET user_days_since_last = 0"),
    ("training_frame.stars", "UPDATE store.training_frame SET user_rating_mean = 5.5"),
    ("training_frame.stars", "UPDATE store.training_frame SET movie_rating_mean = 0.4"),
    ("training_frame.spreads", "UPDATE store.training_frame SET movie_rating_spread = -0.1"),
    ("training_frame.shares", "UPDATE store.training_frame SET genre_match = 1.1"),
    ("training_frame.shares", "UPDATE store.training_frame SET user_watch_completion = 'nan'"),
    ("training_frame.hour", "UPDATE store.training_frame SET hour = 24"),
    ("training_frame.weekday", "UPDATE store.training_frame SET weekday = 0"),
    (
        "user_features.past",
        "UPDATE store.user_features SET last_active = '2026-06-10 00:00+00' WHERE user_id = 1",
    ),
    ("user_features.counts", "UPDATE store.user_features SET n_days = -1"),
    ("user_features.amounts", "UPDATE store.user_features SET session_minutes = 'nan'"),
    ("user_features.stars", "UPDATE store.user_features SET rating_mean = 0"),
    ("user_features.spreads", "UPDATE store.user_features SET rating_spread = 3"),
    ("user_features.shares", "UPDATE store.user_features SET watch_completion = -0.1"),
    ("movie_features.filled", "UPDATE store.movie_features SET genres = NULL"),
    ("movie_features.past", "UPDATE store.movie_features SET first_seen = '2026-06-11 00:00+00'"),
    ("movie_features.counts", "UPDATE store.movie_features SET n_positives_7d = NULL"),
    ("movie_features.amounts", "UPDATE store.movie_features SET popularity = -1"),
    ("movie_features.stars", "UPDATE store.movie_features SET rating_mean_shrunk = 5.1"),
    ("movie_features.spreads", "UPDATE store.movie_features SET rating_spread = -1"),
    ("movie_features.shares", "UPDATE store.movie_features SET watch_completion = 1.5"),
    ("training_frame.unique", "INSERT INTO store.training_frame {third}"),
    ("user_states.unique", "INSERT INTO store.user_states SELECT * FROM store.user_states LIMIT 1"),
    ("movie_states.unique", "INSERT INTO store.movie_states FROM store.movie_states LIMIT 1"),
    ("taste_states.unique", "INSERT INTO store.taste_states FROM store.taste_states LIMIT 1"),
    ("user_versions.unique", "INSERT INTO store.user_versions FROM store.user_versions LIMIT 1"),
    ("movie_versions.unique", "INSERT INTO store.movie_versions FROM store.movie_versions LIMIT 1"),
    ("priors.unique", "INSERT INTO store.priors FROM store.priors LIMIT 1"),
    ("genres.unique", "UPDATE store.genres SET genre = 'Drama'"),
    ("training_frame.user_id_known", "UPDATE store.training_frame SET user_id = 3 WHERE label = 0"),
    ("user_features.last_liked_known", "UPDATE store.user_features SET last_liked = 30"),
    ("positives.agree", "UPDATE store.user_features SET n_positives = 2 WHERE user_id = 1"),
]
TOGETHER = [
    (
        {"training_frame.label", "training_frame.label_explained"},
        "UPDATE store.training_frame SET label = 2 WHERE label = 0",
    ),
    (
        {"user_features.filled", "training_frame.user_id_known"},
        "UPDATE store.user_features SET user_id = NULL WHERE user_id = 1",
    ),
    (
        {"user_features.unique", "positives.agree"},
        "INSERT INTO store.user_features FROM store.user_features WHERE user_id = 1",
    ),
    (
        {"movie_features.unique", "positives.agree"},
        "INSERT INTO store.movie_features FROM store.movie_features WHERE movie_id = 10",
    ),
    (
        {
            "training_frame.movie_id_known",
            "user_features.last_liked_known",
        },
        "UPDATE store.movie_features SET movie_id = 11 WHERE movie_id = 10",
    ),
]


@pytest.fixture(scope="module")
def untouched() -> Iterator[duckdb.DuckDBPyConnection]:
    with good() as connection:
        yield connection


@pytest.fixture
def store(untouched: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The good store, for one test to change."""
    untouched.execute("BEGIN")
    yield untouched
    untouched.execute("ROLLBACK")


@pytest.fixture(scope="module")
def no_rows() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty() as connection:
        yield connection


def built(
    as_of: datetime = AS_OF, sql_hash: str = "a", lake: str = "x", version: int = 1, **counts: int
) -> Snapshot:
    planned = snapshots.plan(
        as_of=as_of,
        lake_versions={"interactions": version},
        lake_ids={"interactions": lake},
        lake_files=[],
        on_time_until=datetime(2026, 6, 1, tzinfo=UTC),
        code_version="1",
        sql_hash=sql_hash,
    )
    return replace(planned, row_counts=NO_ROWS | counts)


GOOD = built(training_frame=3, positives=2, user_features=2, movie_features=2)


def look(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot = GOOD, **options: object
) -> list[Finding]:
    options = {"base": None, "history": [], **options}
    return check(connection, snapshot, **options)  # type: ignore[arg-type]


def not_holding(findings: Iterable[Finding]) -> set[str]:
    return {finding.rule for finding in findings if not finding.passed}


def named(findings: Iterable[Finding], rule: str) -> Finding:
    [found] = [finding for finding in findings if finding.rule == rule]
    return found


def test_a_good_store_passes_all(store: duckdb.DuckDBPyConnection) -> None:
    findings = look(store, newest_arrival=AS_OF)
    assert not_holding(findings) == set()
    assert len({finding.rule for finding in findings}) == len(findings)
    require(findings)


def test_a_store_without_rows_passes_all(
    store: duckdb.DuckDBPyConnection, no_rows: duckdb.DuckDBPyConnection
) -> None:
    findings = look(no_rows, built())
    assert not_holding(findings) == set()
    assert len(findings) == len(look(store))


@pytest.mark.parametrize(("rule", "sql"), BREACHES)
def test_a_breach_is_found_by_its_rule_alone(
    store: duckdb.DuckDBPyConnection, rule: str, sql: str
) -> None:
    third = "FROM store.training_frame WHERE label = 0"
    store.execute(sql.format(third=third))
    assert not_holding(look(store)) == {rule}


@pytest.mark.parametrize(("rules", "sql"), TOGETHER)
def test_a_breach_of_several_rules(
    store: duckdb.DuckDBPyConnection, rules: set[str], sql: str
) -> None:
    store.execute(sql)
    assert not_holding(look(store)) == rules


def test_every_rule_about_tables_is_seen_to_break() -> None:
    shown = {rule for rule, _ in BREACHES}.union(*(rules for rules, _ in TOGETHER))
    assert {rule.rule for rule in (*ROWS, *KEYS, *REFERENCES)} - shown == set()


def test_missing_values_keep_the_rules_about_values(store: duckdb.DuckDBPyConnection) -> None:
    for table, columns in (
        ("training_frame", ("user_days_since_last", "genre_match", "movie_rating_spread")),
        ("user_features", ("rating_mean", "watch_completion", "last_liked", "last_active")),
        ("movie_features", ("rating_spread", "watch_completion")),
    ):
        for column in columns:
            store.execute(f"UPDATE store.{table} SET {column} = NULL")
    assert not_holding(look(store)) == set()


def test_an_event_just_before_as_of_is_past(store: duckdb.DuckDBPyConnection) -> None:
    newest = AS_OF - timedelta(microseconds=1)
    store.execute("UPDATE store.training_frame SET event_time = ?", [newest])
    assert not_holding(look(store)) == set()


def test_a_finding_names_a_row_that_breaks_the_rule(store: duckdb.DuckDBPyConnection) -> None:
    store.execute("UPDATE store.training_frame SET genre_match = 1.5 WHERE label = 0")
    finding = named(look(store), "training_frame.shares")
    assert finding.observed == (
        "1 of 3 rows break it, such as genre_match=1.5 at user_id=2, movie_id=10"
    )
    assert finding.expected.startswith("0 to 1, or NULL, in user_watch_completion, ")
    assert finding.severity == "fail"


def test_a_finding_is_json_and_a_sentence() -> None:
    finding = Finding("a.b", "warn", passed=False, observed="2 rows", expected="3")
    assert Finding(**json.loads(json.dumps(asdict(finding)))) == finding
    assert finding.text == "a.b is broken: 2 rows; expected 3."
    assert replace(finding, passed=True).text == "a.b holds: 2 rows; expected 3."


def test_an_increment_counts_the_keys_that_it_touched(store: duckdb.DuckDBPyConnection) -> None:
    base = replace(built(AS_OF - DAY), known_until=AS_OF - DAY)
    old = {"met_from": "2026-06-05 00:00+00", "event_time": "2026-06-04 00:00+00"}
    insert(store, "training_frame", [{"user_id": 2, "movie_id": 10, **ROW, **old}])
    finding = named(look(store, base=base), "training_frame.unique")
    assert not finding.passed  # an older row of a pair that has a new one
    assert finding.observed.endswith("such as user_id=2, movie_id=10")
    # Turned positive in the increment, known for long.
    liked = {"user_id": 1, "movie_id": 20, **ROW, **LIKED, **old}
    store.execute("DELETE FROM store.training_frame WHERE event_time < '2026-06-05 00:00+00'")
    assert named(look(store, base=base), "training_frame.unique").passed
    insert(store, "training_frame", [liked, liked])
    assert not named(look(store, base=base), "training_frame.unique").passed


def test_a_build_of_everything_counts_all_keys(store: duckdb.DuckDBPyConnection) -> None:
    old = {"met_from": "2026-06-05 00:00+00", "event_time": "2026-06-04 00:00+00"}
    twice = {"user_id": 1, "movie_id": 20, **ROW, **old}
    insert(store, "training_frame", [twice, twice])
    known = {"movie_id": 10, "known_from": "2026-06-03 00:00+00"}
    insert(store, "movie_states", [known, known])
    base = replace(built(AS_OF - DAY), known_until=AS_OF - DAY)
    assert not_holding(look(store)) == {"training_frame.unique", "movie_states.unique"}
    assert not_holding(look(store, base=base)) == set()  # looked at when they were new


@pytest.mark.parametrize(
    ("before", "now", "severity", "passed"),
    [
        (1000, 1000, "fail", True),
        (1000, 1001, "fail", True),
        (1000, 999, "warn", False),
        (1000, 991, "warn", False),
        (1000, 990, "fail", False),
        (1000, 0, "fail", False),
    ],
)
def test_rows_are_kept(
    no_rows: duckdb.DuckDBPyConnection, before: int, now: int, severity: str, passed: bool
) -> None:
    history = [built(AS_OF - DAY, user_features=before)]
    findings = look(no_rows, built(user_features=now), history=history)
    finding = named(findings, "rows_kept.user_features")
    assert (finding.severity, finding.passed) == (severity, passed)
    assert finding.observed == f"{now:,} rows"
    assert history[0].id in finding.expected


def test_rows_are_compared_with_the_newest_comparable_build(
    no_rows: duckdb.DuckDBPyConnection,
) -> None:
    history = [
        built(AS_OF + DAY, training_frame=900),  # a later day was built before
        built(AS_OF, sql_hash="other", training_frame=800),
        built(AS_OF, version=2, training_frame=700),
        built(AS_OF, lake="other", training_frame=700),
        built(AS_OF - DAY, training_frame=100),
        built(AS_OF - DAY, training_frame=600),  # built before the one above
        built(AS_OF - 2 * DAY, training_frame=500),
    ]
    finding = named(
        look(no_rows, built(training_frame=100), history=history), "rows_kept.training_frame"
    )
    assert finding.passed
    assert "at least the 100 of" in finding.expected


def test_rows_are_kept_when_a_day_is_built_again(no_rows: duckdb.DuckDBPyConnection) -> None:
    history = [built(AS_OF, movie_features=10), built(AS_OF - DAY, movie_features=5)]
    findings = look(no_rows, built(movie_features=9), history=history)
    assert not named(findings, "rows_kept.movie_features").passed


def growth(connection: duckdb.DuckDBPyConnection, *rows: int) -> Finding:
    """The finding about builds of one day each, `rows` newest first."""
    history = [built(AS_OF - n * DAY, training_frame=k) for n, k in enumerate(rows)]
    findings = look(connection, history[0], history=history[1:])
    return named(findings, "growth.training_frame")


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ((430, 400, 300, 200, 100), False),  # +30, the median of the three before is +100
        ((434, 400, 300, 200, 100), True),
        ((700, 400, 300, 200, 100), True),
        ((701, 400, 300, 200, 100), False),
        ((400, 400, 300, 200, 100), False),  # nothing came
        ((900, 400, 300, 200), True),  # two growths are no usual day
        ((900, 300, 300, 300, 300), True),  # after days without anything, everything is growth
        ((90_800, *range(90_700, 90_000, -100), *range(90_000, 0, -10_000)), True),  # long ago
        ((1110, 1010, 910, 900, 800, 10), True),  # +100; the median of +100, +10, +100, +790
    ],
)
def test_growth_is_about_that_of_the_last_days(
    no_rows: duckdb.DuckDBPyConnection, rows: tuple[int, ...], passed: bool
) -> None:
    finding = growth(no_rows, *rows)
    assert (finding.passed, finding.severity) == (passed, "warn")


def test_growth_is_by_the_day(no_rows: duckdb.DuckDBPyConnection) -> None:
    weeks = [built(AS_OF - n * 7 * DAY, training_frame=7000 - 700 * n) for n in range(5)]
    # Another build an hour before is of the same day.
    again = built(AS_OF - timedelta(hours=1), training_frame=6990)
    finding = named(look(no_rows, weeks[0], history=[again, *weeks[1:]]), "growth.training_frame")
    assert finding.passed
    assert finding.observed.startswith("+100 rows a day since snapshot ")
    assert finding.expected == "+33 to +300, by the median of 3 growths before"


@pytest.mark.parametrize(
    ("positives", "passed"), [(0, False), (1, False), (2, True), (1998, True), (1999, False)]
)
def test_both_labels_are_there(
    no_rows: duckdb.DuckDBPyConnection, positives: int, passed: bool
) -> None:
    finding = named(
        look(no_rows, built(training_frame=2000, positives=positives)), "positives.share"
    )
    assert (finding.passed, finding.severity) == (passed, "warn")


@pytest.mark.parametrize(("age", "passed"), [(2 * DAY, True), (2.1 * DAY, False)])
def test_the_newest_event_is_fresh(
    store: duckdb.DuckDBPyConnection, age: timedelta, passed: bool
) -> None:
    store.execute("UPDATE store.user_features SET last_active = ?", [AS_OF - age])
    finding = named(look(store), "fresh.newest_event")
    assert (finding.passed, finding.severity) == (passed, "warn")


@pytest.mark.parametrize(("age", "passed"), [(-DAY, True), (2 * DAY, True), (3 * DAY, False)])
def test_the_newest_arrival_is_fresh(
    store: duckdb.DuckDBPyConnection, age: timedelta, passed: bool
) -> None:
    finding = named(look(store, newest_arrival=AS_OF - age), "fresh.newest_arrival")
    assert (finding.passed, finding.severity) == (passed, "warn")


def test_without_a_known_arrival_there_is_no_finding_about_it(
    store: duckdb.DuckDBPyConnection,
) -> None:
    assert not [f for f in look(store) if f.rule == "fresh.newest_arrival"]


def test_what_failed_is_named_with_what_was_seen_and_a_remedy() -> None:
    fine = Finding("fine", "fail", passed=True, observed="0 rows", expected="0")
    warned = Finding("warned", "warn", passed=False, observed="1 row", expected="0")
    failed = [Finding(f"bad_{n}", "fail", False, f"{n} rows", "none") for n in (1, 2)]
    require([fine, warned])
    with pytest.raises(InputDataError) as raised:
        require([fine, warned, *failed])
    message = str(raised.value)
    assert "2 quality rules are broken" in message
    assert "bad_1 is broken: 1 rows; expected none. bad_2 is broken: 2 rows" in message
    assert "movie-recommender features" in message
    assert "warned" not in message
    assert broken([fine, warned, *failed], "warn") == [warned]
    assert broken([fine, warned, *failed], "fail") == failed


def test_the_tiny_store_leaves_no_column_of_a_rule_empty() -> None:
    """Else a rule about it would hold for want of a value."""
    for table, filled in (
        ("training_frame", ROW),
        ("user_features", USER),
        ("movie_features", MOVIE),
    ):
        columns = {column for rule in ROWS if rule.table == table for column in rule.columns}
        assert columns - filled.keys() - {"user_id", "movie_id"} == set()
