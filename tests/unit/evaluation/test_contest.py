from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import Contest, ahead
from movie_recommender.evaluation.protocol import Judgement, Task, Window, judge, make_task
from movie_recommender.ranking import Popularity, Random
from tests.unit.worlds import END, checkerboard


@pytest.fixture(scope="module")
def task() -> Task:
    frame, users, movies = checkerboard()
    window = Window(END - timedelta(days=3), END)
    return make_task(frame, window, users=users, movies=movies, seed=0)


@pytest.fixture(scope="module")
def judged(task: Task) -> dict[str, Judgement]:
    scorers = {"popular": Popularity(task.dataset), "random": Random(task.dataset, seed=0)}
    return {name: judge(scorer, task) for name, scorer in scorers.items()}


def test_metrics_are_the_judgements_with_intervals(
    task: Task, judged: dict[str, Judgement]
) -> None:
    contest = Contest(task, judged, seed=0)
    assert contest.models == ("popular", "random")
    for name, judgement in judged.items():
        found = contest.metrics(name)
        assert {metric: one.value for metric, one in found.items()} == pytest.approx(
            judgement.means()
        )
        assert all(one.low <= one.value <= one.high for one in found.values())
        assert found["ndcg_at_10"].low < found["ndcg_at_10"].high


def test_a_difference_is_of_the_same_users(task: Task, judged: dict[str, Judgement]) -> None:
    better = replace(judged["random"], by_user=dict(judged["random"].by_user))
    better.by_user["ndcg_at_10"] = better.by_user["ndcg_at_10"] + 0.02
    contest = Contest(task, {**judged, "better": better}, seed=0)
    lead = contest.difference("better", "random")
    assert (lead.value, lead.low, lead.high) == pytest.approx((0.02, 0.02, 0.02))
    there, back = (contest.difference(*pair) for pair in (("popular", "random"),) * 2)
    assert there == back
    back = contest.difference("random", "popular")
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low)
    )


def test_slices_beside_production(task: Task, judged: dict[str, Judgement]) -> None:
    contest = Contest(task, judged, seed=0)
    alone = {part.name: part for part in contest.by_slice("random")}
    assert alone["genre: Even"].n_users == 30
    assert alone["genre: Even"].n_positives == 90
    assert alone["genre: Even"].against_production is None
    beside = {part.name: part for part in contest.by_slice("random", production="popular")}
    popular = {part.name: part for part in contest.by_slice("popular")}
    for name, part in beside.items():
        assert part.against_production is not None
        expected = part.ndcg_at_10.value - popular[name].ndcg_at_10.value
        assert part.against_production.value == pytest.approx(expected)
        assert part.ndcg_at_10 == alone[name].ndcg_at_10
    # Even and odd users are halves of all, and their slices of the whole.
    halves = [beside[name].hit_rate_at_10.value for name in ("genre: Even", "genre: Odd")]
    assert np.mean(halves) == pytest.approx(judged["random"].means()["hit_rate_at_10"])


def test_who_is_ahead() -> None:
    leads = {
        "a": Estimate(-0.1, -0.2, 0.1),
        "b": Estimate(0.1, 0.0, 0.2),
        "c": Estimate(-0.3, -0.4, -0.2),
        "d": Estimate(0.0, 0.0, 0.0),
    }
    assert ahead(leads) == ["c", "a"]
