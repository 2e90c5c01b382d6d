"""Profiles and drift against numbers worked out by hand."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_recommender.features import drift, profiles
from movie_recommender.features.drift import (
    Drift,
    FeatureProfile,
    compare,
    drift_findings,
    from_json,
    js_distance,
    limit_of,
    profile,
    psi,
    to_json,
)
from tests.unit.features.tiny_store import AS_OF, MOVIE, empty, insert

# Rows 1 to n; `movie_positives_7d` is 1 to n, `genre_match` missing in every 2nd.
FILL = """
INSERT INTO store.training_frame BY NAME
SELECT
    n AS user_id,
    n % 10 AS movie_id,
    CAST($at AS TIMESTAMPTZ) AS event_time,
    CAST(n % 2 AS TINYINT) AS label,
    n + $more AS movie_positives_7d,
    0 AS movie_age_days,
    CASE WHEN n % 2 = 0 THEN 0.5 END AS genre_match,
    n % 4 = 0 AS seen_before
FROM range(1, $n + 1) AS t (n)
"""


@pytest.fixture
def store() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty() as connection:
        yield connection


def fill(store: duckdb.DuckDBPyConnection, n: int, *, more: int = 0, hours: int = 2) -> None:
    at = AS_OF - timedelta(hours=hours)
    store.execute(FILL, {"n": n, "more": more, "at": at})


def named(found: list[FeatureProfile], feature: str) -> FeatureProfile:
    [one] = [each for each in found if each.feature == feature]
    return one


def of(found: list[Drift], feature: str) -> Drift:
    [one] = [each for each in found if each.feature == feature]
    return one


def test_psi_by_hand() -> None:
    # (0.25 - 0.5) ln(0.25 / 0.5) + (0.75 - 0.5) ln(0.75 / 0.5) = 0.1733 + 0.1014
    assert psi((0.5, 0.5), (0.25, 0.75)) == pytest.approx(0.27465, abs=1e-5)
    assert psi((0.5, 0.5), (0.5, 0.5)) == 0


def test_an_empty_bin_counts_as_the_floor() -> None:
    # (0.0001 - 0.1) ln(0.001) + (1 - 0.9) ln(1 / 0.9)
    assert psi((0.1, 0.9), (0.0, 1.0)) == pytest.approx(0.0999 * math.log(1000) + 0.0105361)
    assert psi((0.0, 1.0), (0.0, 1.0)) == 0


def test_js_distance_by_hand() -> None:
    assert js_distance((1.0, 0.0), (0.0, 1.0)) == 1
    # With m = (0.375, 0.625): (KL(p, m) + KL(q, m)) / 2 = (0.046556 + 0.051034) / 2 bits.
    assert js_distance((0.5, 0.5), (0.25, 0.75)) == pytest.approx(math.sqrt(0.048795), abs=1e-5)


SHARES = st.lists(st.floats(0.001, 1), min_size=2, max_size=20).map(lambda w: np.divide(w, sum(w)))


@given(SHARES)
def test_a_distribution_is_at_no_distance_of_itself(shares: list[float]) -> None:
    nearly = np.multiply(shares, 1 + 1e-13)
    assert psi(shares, shares) == 0
    assert js_distance(shares, nearly) == pytest.approx(0, abs=1e-6)


@given(SHARES, st.randoms(use_true_random=False))
def test_both_distances_are_symmetric_and_not_negative(shares: list[float], random) -> None:  # type: ignore[no-untyped-def]
    other = random.sample(list(shares), len(shares))
    for measure in (psi, js_distance):
        assert measure(shares, other) >= 0
        assert measure(shares, other) == pytest.approx(measure(other, shares), abs=1e-9)


def test_a_small_change_has_the_same_level_in_both_measures() -> None:
    before, after = (0.25, 0.25, 0.25, 0.25), (0.265, 0.245, 0.24, 0.25)
    assert js_distance(before, after) == pytest.approx(
        limit_of("Jensen-Shannon distance", psi(before, after)), rel=0.01
    )


def test_bins_end_at_the_deciles_and_missing_values_have_their_own(store) -> None:
    fill(store, 20)
    found = named(profile(store, AS_OF), "movie_positives_7d")
    assert found.edges == (2, 4, 6, 8, 10, 12, 14, 16, 18)
    assert found.shares == (0.1,) * 10 + (0,)
    assert found.bins[:2] == ("up to 2", "2 to 4")
    assert found.bins[-2:] == ("over 18", "no value")
    assert found.n_rows == 20


def test_sums_over_all_days_are_compared_around_their_mean(store) -> None:
    fill(store, 1000)
    store.execute("UPDATE store.training_frame SET user_events = movie_positives_7d")
    reference = profile(store, AS_OF)
    found = named(reference, "user_events")
    assert found.edges[0] == pytest.approx(100 / 500.5)
    assert found.bins[0] == "up to 0.1998 of the mean"
    assert found.bins[1] == "0.1998 to 0.3996 of the mean"
    # All have grown alike: of a sum that is no drift, of a week's number it would be.
    store.execute("UPDATE store.training_frame SET user_events = 3 * user_events")
    store.execute("UPDATE store.training_frame SET movie_positives_7d = 3 * movie_positives_7d")
    drifts = compare(store, AS_OF, reference)
    assert of(drifts, "user_events").value < 0.001
    assert of(drifts, "movie_positives_7d").level == "strong"
    # Nobody has any.
    store.execute("UPDATE store.training_frame SET user_events = 0")
    assert of(compare(store, AS_OF, reference), "user_events").level == "strong"
    columns = {row[0] for row in store.sql("DESCRIBE store.training_frame").fetchall()}
    assert set(profiles.GROWING) <= columns


def test_deciles_that_are_equal_are_one_edge(store) -> None:
    fill(store, 20)
    found = profile(store, AS_OF)
    assert named(found, "movie_age_days").edges == (0,)
    assert named(found, "movie_age_days").shares == (1, 0, 0)
    assert named(found, "genre_match").shares == (0.5, 0, 0.5)
    assert named(found, "seen_before").edges == (0, 1)
    assert named(found, "seen_before").shares == (0.75, 0.25, 0, 0)
    # No value at all.
    assert named(found, "user_rating_mean").edges == ()
    assert named(found, "user_rating_mean").bins == ("any value", "no value")
    assert named(found, "user_rating_mean").shares == (0, 1)


def test_every_feature_has_a_profile_and_no_id_or_time_has(store) -> None:
    names = [found.feature for found in profile(store, AS_OF)]
    columns = [row[0] for row in store.sql("DESCRIBE store.training_frame").fetchall()]
    without = ("user_id", "movie_id", "event_time", "weight", "met_from", "positive_from")
    assert names == [*(c for c in columns if c not in without), "genres"]


def test_only_the_seven_days_before_as_of_count(store) -> None:
    fill(store, 10, hours=0)  # at as_of
    fill(store, 20, hours=7 * 24)
    fill(store, 30, hours=7 * 24 + 1)
    assert named(profile(store, AS_OF), "hour").n_rows == 20


def test_not_finite_values_count_as_missing(store) -> None:
    fill(store, 20)
    store.execute("UPDATE store.training_frame SET movie_popularity = 'nan' WHERE user_id < 6")
    store.execute("UPDATE store.training_frame SET movie_popularity = 'inf' WHERE user_id > 15")
    store.execute("UPDATE store.training_frame SET movie_popularity = 1 WHERE user_id = 10")
    found = named(profile(store, AS_OF), "movie_popularity")
    assert found.edges == (1,)
    assert found.shares == (0.05, 0, 0.95)


def test_genres_of_positives_movies(store) -> None:
    genres = {0: [], 1: ["Drama", "War"], 2: ["War"], 3: ["Drama"], 4: ["Comedy"]}
    rows = [{"movie_id": movie, **MOVIE, "genres": names} for movie, names in genres.items()]
    insert(store, "movie_features", rows)
    fill(store, 20)  # label 1: movies 1, 3, 5, 7, 9, twice each
    found = named(profile(store, AS_OF), "genres")
    assert found.bins == ("Drama", "War")
    assert found.shares == pytest.approx((4 / 6, 2 / 6))
    assert found.n_rows == 6


def test_profiles_survive_json(store) -> None:
    insert(store, "movie_features", [{"movie_id": 1, **MOVIE}])
    fill(store, 50)
    found = profile(store, AS_OF)
    assert from_json(to_json(found)) == found
    json.loads(to_json(found), parse_constant=pytest.fail)  # no NaN, no Infinity


def test_no_rows_are_a_profile_too(store) -> None:
    found = profile(store, AS_OF)
    assert {each.n_rows for each in found} == {0}
    assert named(found, "hour").shares == (0, 0)
    assert named(found, "genres").bins == ()
    fill(store, 2000)
    drifts = compare(store, AS_OF, found)
    assert {each.level for each in drifts} == {"unknown"}
    assert all(finding.passed for finding in drift_findings(drifts, fail_above=0.1))
    json.dumps([asdict(each) for each in drifts], allow_nan=False)


def test_the_same_rows_have_no_drift(store) -> None:
    fill(store, 2000)
    drifts = compare(store, AS_OF, profile(store, AS_OF))
    assert {each.value for each in drifts} == {0}
    assert of(drifts, "movie_positives_7d").level == "none"
    assert of(drifts, "genres").level == "unknown"  # no movie is known
    assert all(finding.passed for finding in drift_findings(drifts))


def test_todays_rows_are_counted_in_the_bins_of_the_reference(store) -> None:
    fill(store, 1000)
    reference = profile(store, AS_OF)
    store.execute("DELETE FROM store.training_frame")
    fill(store, 1000, more=500)  # 501 to 1500: the upper half stays, the rest is above the deciles
    found = of(compare(store, AS_OF, reference), "movie_positives_7d")
    assert found.reference == pytest.approx((0.1,) * 10 + (0,))
    assert found.today == pytest.approx((0,) * 5 + (0.1,) * 4 + (0.6, 0))
    by_hand = 5 * (1e-4 - 0.1) * math.log(1e-3) + 0.5 * math.log(6)
    assert found.value == pytest.approx(by_hand)
    assert (found.measure, found.level) == ("PSI", "strong")
    assert (found.n_reference, found.n_today) == (1000, 1000)
    # A store with another column, and without one: what both have is compared.
    store.execute("ALTER TABLE store.training_frame DROP COLUMN genre_match")
    store.execute("ALTER TABLE store.training_frame ADD COLUMN newer DOUBLE")
    names = [each.feature for each in compare(store, AS_OF, reference)]
    assert names == [each.feature for each in reference if each.feature != "genre_match"]


def test_genres_that_came_and_went(store) -> None:
    insert(store, "movie_features", [{"movie_id": 1, **MOVIE, "genres": ["Drama", "War"]}])
    fill(store, 5000)  # 500 positives of movie 1
    reference = profile(store, AS_OF)
    store.execute("UPDATE store.movie_features SET genres = ['Drama', 'Action']")
    found = of(compare(store, AS_OF, reference), "genres")
    assert found.bins == ("Action", "Drama", "War")
    assert found.reference == (0, 0.5, 0.5)
    assert found.today == (0.5, 0.5, 0)
    assert found.value == pytest.approx(math.sqrt(0.5))  # half of both is all new: 0.5 bits
    assert (found.measure, found.level) == ("Jensen-Shannon distance", "strong")
    assert found.n_today == 1000


def test_few_genres_today_say_nothing(store) -> None:
    insert(store, "movie_features", [{"movie_id": 1, **MOVIE, "genres": ["Drama", "War"]}])
    fill(store, 5000)
    reference = profile(store, AS_OF)
    store.execute("DELETE FROM store.training_frame WHERE user_id = 1")
    assert of(compare(store, AS_OF, reference), "genres").level == "unknown"


@pytest.mark.parametrize(
    ("rows", "level"), [(999, "unknown"), (1000, "none")], ids=["too few", "enough"]
)
def test_few_rows_say_nothing(store, rows: int, level: str) -> None:
    fill(store, rows)
    assert of(compare(store, AS_OF, profile(store, AS_OF)), "movie_positives_7d").level == level


def test_many_rows_are_sampled_the_same_each_time(store, monkeypatch) -> None:
    monkeypatch.setattr(profiles, "SAMPLE_ROWS", 1000)
    fill(store, 9999)
    found = profile(store, AS_OF)
    assert 850 < named(found, "movie_positives_7d").n_rows < 1150  # a tenth
    assert profile(store, AS_OF) == found
    store.execute("DELETE FROM store.training_frame")
    fill(store, 9999)
    monkeypatch.setattr(profiles, "SAMPLE_ROWS", 5000)
    whole = of(compare(store, AS_OF, found), "movie_positives_7d")
    assert whole.value < 0.05


def a_drift(value: float, level: drift.Level = "some", **fields: object) -> Drift:
    fixed = {"feature": "hour", "measure": "PSI", "bins": ("a", "b"), "reference": (0.5, 0.5)}
    fixed |= {"today": (0.4, 0.6), "n_reference": 12_345, "n_today": 2345, **fields}
    return Drift(value=value, level=level, **fixed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "fail_above", "severity", "passed"),
    [
        (0.1, None, "warn", True),
        (0.11, None, "warn", False),
        (9.0, None, "warn", False),  # never stops the pipeline unless it is asked to
        (0.3, 0.25, "fail", False),
        (0.25, 0.25, "warn", False),
        (0.07, 0.05, "fail", False),
        (0.05, 0.05, "warn", True),
    ],
)
def test_a_drift_as_a_finding(value, fail_above, severity, passed) -> None:
    [finding] = drift_findings([a_drift(value)], fail_above=fail_above)
    assert (finding.rule, finding.severity, finding.passed) == ("drift.hour", severity, passed)


def test_what_a_finding_says() -> None:
    genres = {"feature": "genres", "measure": "Jensen-Shannon distance"}
    findings = drift_findings([a_drift(0.3, "strong"), a_drift(0.2, **genres)], fail_above=0.25)
    assert [finding.text for finding in findings] == [
        "drift.hour is broken: PSI 0.300 (2,345 rows, 12,345 in the reference); expected at most "
        "0.100, fails above 0.250.",
        "drift.genres is broken: Jensen-Shannon distance 0.200 (2,345 rows, 12,345 in the "
        "reference); expected at most 0.134, fails above 0.212.",
    ]
    assert [finding.severity for finding in findings] == ["fail", "warn"]
