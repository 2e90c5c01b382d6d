"""MLflow, serving and the clock, against a server that answers what the test says."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from movie_recommender.doctor import Case, clock, mlflow, serving
from tests.unit.doctor.conftest import Server

Make = Callable[..., Case]
EXPERIMENTS = ("GET", "/api/2.0/mlflow/experiments/search")


def test_an_mlflow_that_asks_who_one_is_gets_a_login_for_a_remedy(
    case: Make, server: Server
) -> None:
    server.answers = {("GET", "/version"): (200, "3.17.0"), EXPERIMENTS: (401, "who are you")}
    [finding] = mlflow.check(case(mlflow_tracking_uri=server.url))
    assert finding.status == "fail"
    assert "answers 401 Unauthorized" in finding.seen
    assert "MLFLOW_TRACKING_USERNAME" in finding.remedy


def test_another_server_at_mlflows_address_is_no_mlflow(case: Make, server: Server) -> None:
    [finding] = mlflow.check(case(mlflow_tracking_uri=server.url))
    assert finding.status == "fail"
    assert "answers 404" in finding.seen


def test_artifacts_that_the_server_does_not_take_are_told(case: Make, server: Server) -> None:
    server.answers = {("GET", "/version"): (200, "3.17.0"), EXPERIMENTS: (200, "{}")}
    found = {f.about: f for f in mlflow.check(case(mlflow_tracking_uri=server.url))}
    assert found["mlflow"].status == "ok"
    assert found["mlflow artifacts"].status == "fail"
    assert "--serve-artifacts" in found["mlflow artifacts"].remedy
    assert found["model"].status == "fail"


def ready(version: int | None = 7, degraded: tuple[str, ...] = ()) -> tuple[int, str]:
    model = None if version is None else {"version": version}
    found = {"ready": version is not None, "model": model, "degraded": degraded}
    found |= {"workers": [], "store": {"snapshot_id": None}}
    return (200 if version else 503), json.dumps(found)


@pytest.mark.parametrize(
    ("answer", "status", "seen"),
    [
        (ready(), "ok", "serves version 7"),
        (ready(None), "warn", "has no model yet"),
        (ready(7, ("kafka: away",)), "warn", "degraded: kafka: away"),
        ((200, "hello"), "fail", "doesn't answer /ready"),
        ((200, "{}"), "fail", "doesn't answer /ready"),
    ],
)
def test_serving_is_what_it_says_it_is(
    case: Make, server: Server, answer: tuple[int, str], status: str, seen: str
) -> None:
    server.answers[("GET", "/ready")] = answer
    [finding] = serving.check(case(serving_url=server.url))
    assert finding.status == status
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (timedelta(0), "ok"),
        (timedelta(seconds=3), "ok"),
        (timedelta(seconds=-30), "warn"),
        (timedelta(minutes=10), "fail"),
        (timedelta(hours=-1), "fail"),
    ],
)
def test_a_clock_that_others_disagree_with_is_told(
    case: Make, server: Server, ahead: timedelta, status: str
) -> None:
    server.ahead = ahead
    [finding] = clock.check(case(mlflow_tracking_uri=server.url))
    assert finding.status == status
    assert f"MLflow {ahead.total_seconds():+.0f} s" in finding.seen
