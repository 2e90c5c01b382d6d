"""The contract that every baseline keeps."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset, Popularity, Scorer, baselines
from movie_recommender.ranking.baselines import fit_baselines
from tests.unit.worlds import END, checkerboard, movies_table, users_table

PERSONAL = ["item_knn", "ease", "als", "bpr"]
NAMES = ["popularity", "recent_popularity", *PERSONAL]


@pytest.fixture(scope="module")
def task() -> protocol.Task:
    frame, users, movies = checkerboard()
    window = protocol.Window(END.replace(day=19), END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=0)


@pytest.fixture(scope="module")
def fitted(task: protocol.Task) -> dict[str, Scorer]:
    return fit_baselines(task.dataset, seed=3)


def empty(n_users: int, n_movies: int) -> Dataset:
    nothing = csr_array((n_users, n_movies), dtype=np.float32)
    times = np.zeros(0, np.int64)
    return Dataset(users_table(n_users), movies_table(n_movies), nothing, nothing, END, times)


def test_all_are_there(fitted: dict[str, Scorer]) -> None:
    assert list(fitted) == NAMES


@pytest.mark.parametrize("name", PERSONAL)
def test_it_learns_the_checkerboard(
    fitted: dict[str, Scorer], task: protocol.Task, name: str
) -> None:
    means = protocol.judge(fitted[name], task).means()
    # All but the few unseen movies of the user's own colour score lower: 20 of 24 at least.
    assert means["auc"] > 20 / 24
    assert means["full_hit_rate_at_10"] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_asking_for_users_one_by_one_changes_nothing(fitted: dict[str, Scorer], name: str) -> None:
    rows = np.array([7, 0, 59, 7])
    together = fitted[name].scores(rows)
    assert together.shape == (4, 40)
    assert together.dtype == np.float32
    for place in (3, 1, 0, 2):
        alone = fitted[name].scores(rows[[place]])[0]
        assert alone == pytest.approx(together[place], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores(
    fitted: dict[str, Scorer], task: protocol.Task, name: str
) -> None:
    again = fit_baselines(task.dataset, seed=3)[name].scores(np.arange(60))
    assert (again == fitted[name].scores(np.arange(60))).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_user_without_history_gets_a_list(task: protocol.Task, name: str) -> None:
    positives = task.dataset.positives.toarray()
    times = np.zeros(positives.shape, np.int64)
    times[task.dataset.positives.nonzero()] = task.dataset.times
    positives[4] = 0.0
    dataset = replace(
        task.dataset, positives=csr_array(positives), times=times[positives.nonzero()]
    )
    scores = fit_baselines(dataset, seed=0)[name].scores(np.array([4]))
    if name in PERSONAL:
        assert (scores == Popularity(dataset).scores(np.array([4]))).all()
    assert len(np.unique(scores)) > 1


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 4), (3, 4)])
def test_nothing_to_learn_from_is_no_error(shape: tuple[int, int]) -> None:
    for name, scorer in fit_baselines(empty(*shape), seed=0).items():
        assert scorer.scores(np.arange(shape[0])).shape == shape, name


def test_without_times_nothing_is_recent(task: protocol.Task) -> None:
    names = fit_baselines(replace(task.dataset, times=None), seed=0)
    assert set(NAMES) - set(names) == {"recent_popularity"}


def test_ease_is_left_out_aloud_where_the_movies_are_too_many(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, task: protocol.Task
) -> None:
    monkeypatch.setattr(baselines, "MAX_MOVIES", 39)
    with caplog.at_level(logging.INFO):
        names = fit_baselines(task.dataset, seed=0)
    assert set(NAMES) - set(names) == {"ease"}
    assert "baseline=ease left_out=True liked_movies=40 limit=39" in caplog.text
