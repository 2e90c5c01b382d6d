import json
from dataclasses import asdict
from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import Contest
from movie_recommender.evaluation.protocol import Task, Window, judge, make_task
from movie_recommender.evaluation.report import headline, markdown
from movie_recommender.evaluation.result import CANDIDATE, EvaluationResult, result_of
from movie_recommender.ranking import Popularity, Random, Scorer
from movie_recommender.ranking.item_knn import ItemKNN
from movie_recommender.settings import load_settings
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

WINDOW = Window(END - timedelta(days=3), END)
SETTINGS = load_settings(evaluation_min_users=60, gate_min_ndcg_at_10=0.3)


@pytest.fixture(scope="module")
def task() -> Task:
    frame, users, movies = checkerboard()
    return make_task(frame, WINDOW, users=users, movies=movies, seed=0)


class Colours:
    """The checkerboard's truth, ties broken by the movie's row."""

    def scores(self, user_rows: np.ndarray) -> np.ndarray:
        same = user_rows[:, None] % 2 == np.arange(40)[None] % 2
        return (same - np.arange(40) / 1000).astype(np.float32)


def evaluated(task: Task, candidate: Scorer, **rivals: Scorer) -> EvaluationResult:
    scorers = {CANDIDATE: candidate, "popularity": Popularity(task.dataset), **rivals}
    judged = {name: judge(scorer, task) for name, scorer in scorers.items()}
    contest = Contest(task, judged, seed=0)
    rival = 6 if "production" in rivals else None
    return result_of(SETTINGS, 7, WINDOW, task, contest, rival=rival)


def test_it_is_small_and_json(task: Task) -> None:
    result = evaluated(task, Colours(), production=Random(task.dataset, seed=0))
    text = json.dumps(asdict(result))
    assert json.loads(text) == asdict(result)
    assert len(text) < 16_000


def test_rivals_in_their_places(task: Task) -> None:
    result = evaluated(
        task, Colours(), item_knn=ItemKNN(task.dataset), production=Random(task.dataset, seed=0)
    )
    assert set(result.baselines) == {"popularity", "item_knn"}
    assert result.production is not None
    assert result.production["version"] == 6
    assert set(result.differences) == {"popularity", "item_knn", "production"}
    lead, low, high = result.differences["production"]
    assert lead == pytest.approx(result.metrics["ndcg_at_10"] - result.production["ndcg_at_10"])
    assert 0.0 < low < lead < high
    rules = {reason["rule"]: reason for reason in result.gate["reasons"]}
    assert rules["not_worse_than_production"]["value"] == lead
    assert rules["beats_item_knn"]["value"] == result.differences["item_knn"][0]
    slices = {part["name"]: part for part in result.slices}
    assert slices["genre: Even"]["n_users"] == 30
    assert len(slices["genre: Even"]["against_production"]) == 3


def test_without_production_there_is_nothing_beside_it(task: Task) -> None:
    result = evaluated(task, Colours())
    assert result.production is None
    assert {part["against_production"] for part in result.slices} == {None}
    assert "not_worse_than_production" not in str(result.gate)


def test_without_positives_the_gate_says_no() -> None:
    frame = frame_table([(0, 0, 9.0, 1)])
    task = make_task(frame, WINDOW, users=users_table(2), movies=movies_table(3), seed=0)
    result = result_of(SETTINGS, 7, WINDOW, task, None)
    assert not result.gate["passed"]
    assert (result.n_users, result.metrics, result.slices) == (0, {}, [])
    assert markdown(result).startswith("# Model version 7 did not pass the gate\n")
    assert result.logged() == {"eval_gate_passed": 0.0}


def test_what_mlflow_keeps(task: Task) -> None:
    result = evaluated(task, Colours())
    logged = result.logged()
    assert logged["eval_ndcg_at_10"] == result.metrics["ndcg_at_10"]
    assert logged["eval_mrr_low"] < logged["eval_mrr"] < logged["eval_mrr_high"]
    assert logged["eval_ndcg_at_10_ahead_of_popularity_low"] > 0.0
    assert logged["eval_gate_passed"] == 1.0


def test_the_first_line_names_every_baseline_that_is_ahead() -> None:
    leads = {
        "popularity": Estimate(0.2, 0.1, 0.3),
        "als": Estimate(-0.01, -0.03, 0.01),
        "ease": Estimate(-0.05, -0.07, -0.03),
    }
    assert headline(7, passed=True, baselines=leads) == (
        "Model version 7 passed the gate; ease beats it by 0.0500 [0.0300, 0.0700] NDCG@10; "
        "als is ahead, if not certainly, by 0.0100 [-0.0100, 0.0300] NDCG@10"
    )
    assert headline(8, passed=False, baselines={}) == "Model version 8 did not pass the gate"


def test_the_report_says_in_its_first_line_that_a_baseline_is_better(task: Task) -> None:
    chance = evaluated(task, Random(task.dataset, seed=0), item_knn=ItemKNN(task.dataset))
    first = markdown(chance).splitlines()[0]
    assert first.startswith("# Model version 7 did not pass the gate; item_knn beats it by 0.")
    rule = next(r for r in chance.gate["reasons"] if r["rule"] == "beats_item_knn")
    assert (rule["passed"], rule["severity"]) == (False, "warn")


def test_the_report_has_rules_models_and_slices(task: Task) -> None:
    result = evaluated(task, Colours(), production=Random(task.dataset, seed=0))
    lines = markdown(result).splitlines()
    assert "| judged_users | 60 | - | 60 | yes |" in lines
    assert "| metric | interval | version 7 | production (version 6) | popularity |" in lines
    assert sum(line.startswith("| mrr | [0.") for line in lines) == 1
    assert sum(line.startswith("| genre: Odd | 30 | 90 | ") for line in lines) == 1
    tables = [line for line in lines if line.startswith("|")]
    widths = {line.count("|") for line in tables}
    assert widths == {6, 7}
