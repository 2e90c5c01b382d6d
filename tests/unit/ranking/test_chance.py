import numpy as np
import pytest

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset, Random
from tests.unit.worlds import END, checkerboard


@pytest.fixture
def task() -> protocol.Task:
    frame, users, movies = checkerboard()
    window = protocol.Window(END.replace(day=19), END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=0)


@pytest.fixture
def dataset(task: protocol.Task) -> Dataset:
    return task.dataset


def test_scores_depend_on_seed_and_user_alone(dataset: Dataset) -> None:
    rows = np.array([5, 59, 0, 5])
    together = Random(dataset, seed=1).scores(rows)
    assert together.shape == (4, 40)
    assert together.dtype == np.float32
    again = Random(dataset, seed=1)
    for place in (3, 1, 0, 2):
        assert (again.scores(rows[[place]])[0] == together[place]).all()
    assert (Random(dataset, seed=2).scores(rows) != together).mean() > 0.99


def test_every_user_has_a_list_of_their_own(dataset: Dataset) -> None:
    best = Random(dataset, seed=1).scores(np.arange(60)).argmax(axis=1)
    assert len(set(best.tolist())) > 20


def test_it_is_worth_what_chance_is(task: protocol.Task) -> None:
    judged = [protocol.judge(Random(task.dataset, seed=s), task).means() for s in range(20)]
    mean = {name: float(np.mean([means[name] for means in judged])) for name in judged[0]}
    # A draw with replacement repeats the 24 unseen movies, never the positive: ranks are uniform
    # all the same, so one list in ten has it among the first ten of a hundred.
    assert mean["auc"] == pytest.approx(0.5, abs=0.03)
    assert mean["full_recall_at_10"] == pytest.approx(10 / 27, abs=0.04)
