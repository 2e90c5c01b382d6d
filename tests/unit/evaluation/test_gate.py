from collections.abc import Mapping
from typing import Any

import pytest

from movie_recommender.evaluation import GateResult, decide
from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import SliceResult
from movie_recommender.settings import Settings, load_settings

NAN = float("nan")
LEAD = Estimate(0.3, 0.28, 0.32)
EQUAL = Estimate(0.0, -0.02, 0.02)
UNSURE = Estimate(-0.02, -0.05, 0.01)


def point(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


GOOD = {
    "auc": point(0.9),
    "ndcg_at_10": point(0.6),
    "hit_rate_at_10": point(0.8),
    "coverage_at_10": point(0.3),
}


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def judged(settings: Settings, **changes: Any) -> GateResult:
    facts: dict[str, Any] = {
        "n_users": 500,
        "n_movies": 4000,
        "metrics": GOOD,
        "baselines": {"popularity": LEAD},
    }
    return decide(settings, **(facts | changes))


def part(lead: Estimate | None, *, name: str = "new users", n_users: int = 100) -> SliceResult:
    return SliceResult(name, "", n_users, 2 * n_users, point(0.5), point(0.7), lead)


def failed(result: GateResult) -> list[str]:
    return [reason["rule"] for reason in result.reasons if not reason["passed"]]


def rule(result: GateResult, name: str) -> Mapping[str, Any]:
    (found,) = [reason for reason in result.reasons if reason["rule"] == name]
    return found


def test_a_good_model_passes_and_lists_every_rule(settings: Settings) -> None:
    result = judged(
        settings,
        baselines={"popularity": LEAD, "als": LEAD},
        production=EQUAL,
        slices=[part(EQUAL)],
        ahead_days=7.0,
    )
    assert result.passed
    assert [reason["rule"] for reason in result.reasons] == [
        "judged_users",
        *GOOD,
        "beats_popularity",
        "beats_als",
        "not_older_than_production",
        "not_worse_than_production",
        "close_to_production",
        "no_slice_worse",
    ]


@pytest.mark.parametrize(("ahead_days", "passed"), [(7.0, True), (0.0, True), (-1.0, False)])
def test_a_model_of_an_older_day_doesnt_replace_a_newer_one(
    settings: Settings, ahead_days: float, passed: bool
) -> None:
    result = judged(settings, production=LEAD, ahead_days=ahead_days)
    assert result.passed is passed
    reason = rule(result, "not_older_than_production")
    assert (reason["value"], reason["passed"]) == (ahead_days, passed)


def test_a_reason_has_its_numbers(settings: Settings) -> None:
    assert rule(judged(settings), "auc") == {
        "rule": "auc",
        "value": 0.9,
        "threshold": 0.75,
        "passed": True,
        "low": pytest.approx(0.89),
        "high": pytest.approx(0.91),
        "severity": "fail",
        "about": "",
    }
    assert rule(judged(settings), "judged_users")["low"] is None


@pytest.mark.parametrize(
    ("metric", "threshold"),
    [("auc", 0.75), ("ndcg_at_10", 0.50), ("hit_rate_at_10", 0.40), ("coverage_at_10", 0.05)],
)
def test_each_threshold_holds_at_its_value_and_fails_below(
    settings: Settings, metric: str, threshold: float
) -> None:
    assert judged(settings, metrics=GOOD | {metric: point(threshold)}).passed
    below = judged(settings, metrics=GOOD | {metric: point(threshold - 1e-9)})
    assert not below.passed
    assert failed(below) == [metric]
    nan = judged(settings, metrics=GOOD | {metric: point(NAN)})
    assert failed(nan) == [metric]


def test_thresholds_come_from_the_settings() -> None:
    assert failed(judged(load_settings(gate_min_auc=0.95))) == ["auc"]
    assert failed(judged(load_settings(gate_min_coverage=0.4))) == ["coverage_at_10"]


def test_few_users_need_not_cover_more_than_their_lists_can_hold(settings: Settings) -> None:
    # 100 lists of 10 hold at most 1,000 of 4,000 movies: the floor is a twentieth of a quarter.
    metrics = GOOD | {"coverage_at_10": point(0.0125)}
    assert judged(settings, metrics=metrics, n_users=100).passed
    assert failed(judged(settings, metrics=metrics, n_users=101)) == ["coverage_at_10"]


def test_what_is_missing_fails(settings: Settings) -> None:
    result = judged(settings, metrics={}, baselines={}, n_users=0, n_movies=0)
    assert failed(result) == ["judged_users", *GOOD, "beats_popularity"]


@pytest.mark.parametrize("lead", [Estimate(0.1, 0.0, 0.2), Estimate(0.0, 0.0, 0.0), point(NAN)])
def test_a_lead_over_popularity_must_be_certain(settings: Settings, lead: Estimate) -> None:
    assert failed(judged(settings, baselines={"popularity": lead})) == ["beats_popularity"]
    certain = Estimate(0.1, 1e-9, 0.2)
    assert judged(settings, baselines={"popularity": certain}).passed


def test_a_baseline_that_is_certainly_better_is_named_and_refuses_nothing(
    settings: Settings,
) -> None:
    leads = {"popularity": LEAD, "als": Estimate(-0.02, -0.03, -0.01), "ease": UNSURE}
    result = judged(settings, baselines=leads)
    assert result.passed
    assert failed(result) == ["beats_als"]
    assert rule(result, "beats_als")["severity"] == "warn"
    assert rule(result, "beats_als")["value"] == -0.02


def test_a_loss_to_production_that_is_certain_fails_however_small(settings: Settings) -> None:
    result = judged(settings, production=Estimate(-0.009, -0.05, -0.001))
    assert failed(result) == ["not_worse_than_production"]
    assert not result.passed
    assert judged(settings, production=Estimate(-0.009, -0.05, 0.0)).passed


def test_a_large_loss_fails_even_where_few_users_can_not_tell(settings: Settings) -> None:
    assert failed(judged(settings, production=Estimate(-0.2, -0.3, 0.0))) == ["close_to_production"]
    lenient = load_settings(gate_max_loss=0.2)
    assert judged(lenient, production=Estimate(-0.2, -0.3, 0.0)).passed


BAD = Estimate(-0.06, -0.09, -0.03)


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        (part(BAD), False),
        (part(Estimate(-0.06, -0.13, 0.01)), True),  # large, but not certain
        (part(Estimate(-0.05, -0.06, -0.04)), True),  # certain, but not beyond the margin
        (part(Estimate(0.06, 0.03, 0.09)), True),
    ],
)
def test_a_slice_fails_by_a_loss_that_is_certain_and_large(
    settings: Settings, found: SliceResult, passes: bool
) -> None:
    result = judged(settings, production=EQUAL, slices=[found])
    assert result.passed is passes
    assert failed(result) == ([] if passes else ["no_slice_worse"])
    lenient = load_settings(gate_max_slice_loss=0.1)
    assert judged(lenient, production=EQUAL, slices=[found]).passed


def test_the_worst_slice_is_named(settings: Settings) -> None:
    unsure = part(Estimate(-0.2, -0.5, 0.1), name="unsure")
    bad, worse = part(BAD, name="bad"), part(Estimate(-0.08, -0.09, -0.07), name="worse")
    found = rule(
        judged(settings, production=EQUAL, slices=[bad, unsure, worse, part(None)]),
        "no_slice_worse",
    )
    assert (found["about"], found["value"], found["threshold"]) == ("worse", -0.08, -0.05)
    held = rule(judged(settings, production=EQUAL, slices=[part(EQUAL), unsure]), "no_slice_worse")
    assert held["about"] == "unsure"


def test_a_slice_of_few_users_proves_nothing(settings: Settings) -> None:
    few = part(Estimate(-0.5, -0.6, -0.4), n_users=99)
    result = judged(settings, production=EQUAL, slices=[few])
    assert result.passed
    assert "no_slice_worse" not in [reason["rule"] for reason in result.reasons]


def test_a_handful_of_users_proves_nothing(settings: Settings) -> None:
    assert failed(judged(settings, n_users=99)) == ["judged_users"]
