import pytest

from movie_recommender.evaluation import decide
from movie_recommender.settings import Settings, load_settings

GOOD = {"auc": 0.9, "ndcg_at_10": 0.6, "hit_rate_at_10": 0.8}
POPULAR = {"auc": 0.7, "ndcg_at_10": 0.3, "hit_rate_at_10": 0.4}


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def failed(result: object) -> list[str]:
    return [reason["rule"] for reason in result.reasons if not reason["passed"]]  # type: ignore[attr-defined]


def test_a_good_model_passes_and_lists_every_rule(settings: Settings) -> None:
    result = decide(
        settings,
        metrics=GOOD,
        popularity=POPULAR,
        n_users=500,
        production_delta=(0.005, -0.01, 0.02),
    )
    assert result.passed
    assert [reason["rule"] for reason in result.reasons] == [
        "judged_users",
        "auc",
        "ndcg_at_10",
        "hit_rate_at_10",
        "beats_popularity",
        "not_worse_than_production",
        "close_to_production",
    ]


@pytest.mark.parametrize(
    ("metric", "threshold"), [("auc", 0.75), ("ndcg_at_10", 0.50), ("hit_rate_at_10", 0.40)]
)
def test_each_threshold_holds_at_its_value_and_fails_below(
    settings: Settings, metric: str, threshold: float
) -> None:
    at = decide(
        settings,
        metrics=GOOD | {metric: threshold},
        popularity=POPULAR,
        n_users=500,
        production_delta=None,
    )
    assert at.passed
    below = decide(
        settings,
        metrics=GOOD | {metric: threshold - 1e-9},
        popularity=POPULAR,
        n_users=500,
        production_delta=None,
    )
    assert not below.passed
    assert failed(below) == [metric]


def test_thresholds_come_from_the_settings() -> None:
    strict = load_settings(gate_min_auc=0.95)
    result = decide(strict, metrics=GOOD, popularity=POPULAR, n_users=500, production_delta=None)
    assert failed(result) == ["auc"]


def test_a_missing_metric_fails(settings: Settings) -> None:
    result = decide(settings, metrics={}, popularity={}, n_users=500, production_delta=None)
    assert failed(result) == ["auc", "ndcg_at_10", "hit_rate_at_10", "beats_popularity"]


def test_nan_fails(settings: Settings) -> None:
    result = decide(
        settings,
        metrics=GOOD | {"auc": float("nan")},
        popularity=POPULAR,
        n_users=500,
        production_delta=None,
    )
    assert failed(result) == ["auc"]


def test_popularity_itself_does_not_beat_popularity(settings: Settings) -> None:
    result = decide(settings, metrics=GOOD, popularity=GOOD, n_users=500, production_delta=None)
    assert failed(result) == ["beats_popularity"]


def test_clearly_worse_than_production_fails(settings: Settings) -> None:
    result = decide(
        settings,
        metrics=GOOD,
        popularity=POPULAR,
        n_users=500,
        production_delta=(-0.009, -0.05, -0.001),
    )
    assert failed(result) == ["not_worse_than_production"]


def test_behind_production_on_average_fails_even_where_few_users_can_not_tell(
    settings: Settings,
) -> None:
    delta = (-0.2, -0.3, 0.0)
    result = decide(settings, metrics=GOOD, popularity=POPULAR, n_users=500, production_delta=delta)
    assert failed(result) == ["close_to_production"]


def test_a_handful_of_users_proves_nothing(settings: Settings) -> None:
    result = decide(settings, metrics=GOOD, popularity=POPULAR, n_users=99, production_delta=None)
    assert failed(result) == ["judged_users"]
