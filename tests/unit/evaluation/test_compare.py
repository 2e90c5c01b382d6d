import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.compare import Ranked, side_by_side
from movie_recommender.evaluation.report import ranker_table
from movie_recommender.ranking.baselines import fit_baselines
from movie_recommender.settings import Settings, load_settings
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

WINDOW = protocol.Window(END - timedelta(days=3), END)


class Colours:
    """The checkerboard's truth, ties broken by the movie's row."""

    def __init__(self, *, sign: float = 1.0) -> None:
        self.sign = sign

    def scores(self, user_rows: np.ndarray) -> np.ndarray:
        same = user_rows[:, None] % 2 == np.arange(40)[None] % 2
        return self.sign * (same - np.arange(40) / 1000).astype(np.float32)


@pytest.fixture
def settings() -> Settings:
    return load_settings(evaluation_min_users=60, gate_min_ndcg_at_10=0.3)


@pytest.fixture
def task() -> protocol.Task:
    frame, users, movies = checkerboard()
    return protocol.make_task(frame, WINDOW, users=users, movies=movies, seed=0)


def by_name(rankers: Iterable[Ranked]) -> dict[str, Ranked]:
    return {ranked.name: ranked for ranked in rankers}


def test_rankers_stand_side_by_side_the_best_first(settings: Settings, task: protocol.Task) -> None:
    rankers = side_by_side(settings, task, {"wrong": Colours(sign=-1.0), "right": Colours()})
    names = [ranked.name for ranked in rankers]
    baselines = fit_baselines(task.dataset, seed=0)
    assert set(names) == {"right", "wrong", "random", *baselines}
    assert names[-1] == "wrong"
    assert names.index("right") < names.index("popularity")
    ndcg = [ranked.metrics["ndcg_at_10"] for ranked in rankers]
    assert ndcg == sorted(ndcg, reverse=True)


def test_metrics_are_those_of_the_evaluation(settings: Settings, task: protocol.Task) -> None:
    right = by_name(side_by_side(settings, task, {"right": Colours()}))["right"]
    judged = protocol.judge(Colours(), task)
    assert right.metrics == judged.means()
    for name, (low, high) in right.intervals.items():
        assert low - 1e-12 <= right.metrics[name] <= high + 1e-12  # rounding, where all are alike
    assert right.intervals["ndcg_at_10"][0] < right.intervals["ndcg_at_10"][1]


def test_a_rankers_row_depends_on_no_other(settings: Settings, task: protocol.Task) -> None:
    alone = by_name(side_by_side(settings, task, {"right": Colours()}))
    among = by_name(side_by_side(settings, task, {"a": Colours(sign=-1), "right": Colours()}))
    assert {name: among[name] for name in alone} == alone
    assert among == by_name(
        side_by_side(settings, task, {"right": Colours(), "a": Colours(sign=-1)})
    )


def test_who_passes_the_gate(settings: Settings, task: protocol.Task) -> None:
    rankers = by_name(side_by_side(settings, task, {"right": Colours(), "wrong": Colours(sign=-1)}))
    passing = {name for name, ranked in rankers.items() if ranked.passes_gate}
    assert {"right", "item_knn"} <= passing
    assert not passing & {"wrong", "random", "popularity"}  # popularity doesn't beat itself
    strict = settings.model_copy(update={"evaluation_min_users": 61})
    rankers = by_name(side_by_side(strict, task, {"right": Colours()}))
    assert not any(ranked.passes_gate for ranked in rankers.values())


def test_without_positives_there_is_nobody_to_compare(settings: Settings) -> None:
    frame = frame_table([(0, 0, 9.0, 1)])
    task = protocol.make_task(frame, WINDOW, users=users_table(2), movies=movies_table(3), seed=0)
    assert side_by_side(settings, task, {"right": Colours()}) == []


def test_the_result_is_json(settings: Settings, task: protocol.Task) -> None:
    rankers = side_by_side(settings, task, {"right": Colours()})
    written = [asdict(ranked) for ranked in rankers]
    assert json.loads(json.dumps(written)) == written


def test_the_table_has_a_row_for_each_ranker() -> None:
    metrics = {"ndcg_at_10": 0.5, "hit_rate_at_10": 0.25, "auc": 1.0}
    intervals = {name: [value - 0.1, value + 0.1] for name, value in metrics.items()}
    ranked = [Ranked("ncf", metrics, intervals, True), Ranked("random", metrics, intervals, False)]
    lines = ranker_table(ranked).splitlines()
    assert lines[0] == "| ranker | ndcg_at_10 | hit_rate_at_10 | auc | gate |"
    assert lines[1] == "|---|---|---|---|---|"
    assert lines[2] == (
        "| ncf | 0.500 [0.400, 0.600] | 0.250 [0.150, 0.350] | 1.000 [0.900, 1.100] | passes |"
    )
    assert lines[3].startswith("| random |")
    assert lines[3].endswith("| fails |")
