import warnings
from datetime import timedelta

import numpy as np
import pytest

from movie_recommender.evaluation import protocol
from movie_recommender.evaluation import task as tasks
from movie_recommender.ranking import Popularity
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

DAY = timedelta(days=1)


class Truth:
    """Scores the checkerboard as it is."""

    def __init__(self, n_movies: int, *, sign: float = 1.0) -> None:
        self.n_movies = n_movies
        self.sign = sign

    def scores(self, user_rows: np.ndarray) -> np.ndarray:
        same = user_rows[:, None] % 2 == np.arange(self.n_movies)[None] % 2
        return self.sign * same.astype(np.float32)


def task_of(frame, users, movies, *, days: int = 3, seed: int = 0) -> protocol.Task:
    window = protocol.Window(END - days * DAY, END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=seed)


def test_truth_gets_everything_right_but_ties() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)
    right = protocol.judge(Truth(40), task).means()
    wrong = protocol.judge(Truth(40, sign=-1.0), task).means()
    # 16 of 20 movies of the right colour are seen: a draw of an unseen movie is right-coloured
    # (and so a tie, which counts against) 4 times in 24.
    assert right["auc"] == pytest.approx(1 - 4 / 24, abs=0.01)
    assert right["global_auc"] == pytest.approx(1 - 4 / 24, abs=0.01)
    assert (wrong["auc"], wrong["global_auc"], wrong["ndcg_at_10"]) == (0.0, 0.0, 0.0)
    # The whole catalogue: the 4 unseen of the right colour tie with the 3 positives, which come
    # behind them, and before the 20 of the wrong colour.
    assert right["full_hit_rate_at_10"] == right["full_recall_at_10"] == 1.0
    gains = 1 / np.log2(np.arange(10) + 2)
    assert right["full_ndcg_at_10"] == pytest.approx(gains[4:7].sum() / gains[:3].sum())
    assert right["full_mrr"] == pytest.approx(1 / 5)
    assert wrong["full_mrr"] == pytest.approx(1 / 25)


def test_lists_hold_what_was_not_seen_before_the_window() -> None:
    frame = frame_table([(0, 0, 9.0, 1), (0, 1, 9.0, 0), (0, 2, 1.0, 1), (0, 3, 1.0, 0)])
    task = task_of(frame, users_table(1), movies_table(6))
    judged = protocol.judge(Popularity(task.dataset), task)
    # Movie 3 was met in the window, and is in the list: who makes it can't know that.
    assert sorted(judged.lists[0].tolist()) == [-1, -1, 2, 3, 4, 5]


def test_what_has_no_score_is_in_no_list() -> None:
    frame, users, movies = checkerboard()
    task = task_of(frame, users, movies)

    class Mute(Truth):
        def scores(self, user_rows: np.ndarray) -> np.ndarray:
            scores = super().scores(user_rows)
            scores[:, 0::4], scores[:, 1::4] = np.nan, -np.inf
            return scores

    judged = protocol.judge(Mute(40), task)
    assert set(np.unique(judged.lists)) <= {-1, *range(2, 40, 4), *range(3, 40, 4)}
    mute = np.isin(task.movie % 4, (0, 1))
    assert (judged.ranks[mute] == 99).all()
    none = protocol.judge(Mute(40, sign=np.nan), task).means()
    assert none["full_hit_rate_at_10"] == none["coverage_at_10"] == none["auc"] == 0.0
    assert "novelty_at_10" not in none
    assert none["full_mrr"] == pytest.approx(1 / 25)  # behind the 24 others that weren't seen


def test_judging_in_small_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(*checkerboard())
    whole = protocol.judge(Popularity(task.dataset), task)
    monkeypatch.setattr(tasks, "_CELLS_AT_ONCE", 7 * 40)
    parts = protocol.judge(Popularity(task.dataset), task)
    assert (whole.ranks == parts.ranks).all()
    assert (whole.lists == parts.lists).all()
    for name, values in whole.by_user.items():
        assert np.array_equal(parts.by_user[name], values, equal_nan=True), name


def test_the_table_has_a_column_for_each_metric() -> None:
    task = task_of(*checkerboard())
    judged = protocol.judge(Popularity(task.dataset), task)
    assert judged.table().shape == (60, len(judged.by_user))
    assert judged.table()[:, 0].tolist() == judged.by_user["ndcg_at_10"].tolist()


def slow_lists(
    scores: np.ndarray, seen: np.ndarray, relevant: np.ndarray
) -> list[list[tuple[float, bool, int]]]:
    """Each user's whole list by sorting in Python: what isn't relevant goes first among equals."""
    return [
        sorted(
            (-float(scores[user, movie]), bool(relevant[user, movie]), movie)
            for movie in np.flatnonzero(~seen[user])
        )
        for user in range(len(scores))
    ]


class Given:
    def __init__(self, scores: np.ndarray) -> None:
        self.given = scores

    def scores(self, user_rows: np.ndarray) -> np.ndarray:
        return self.given[user_rows]


@pytest.mark.parametrize("n_levels", [2, 7, 10**6])
def test_full_metrics_are_those_of_sorting_every_list(n_levels: int) -> None:
    task = task_of(*checkerboard())
    scores = np.random.default_rng(n_levels).integers(n_levels, size=(60, 40)).astype(np.float32)
    found = protocol.judge(Given(scores), task).by_user
    relevant = np.zeros((60, 40), bool)
    relevant[task.user, task.movie] = True
    for user, ranked in enumerate(slow_lists(scores, task.dataset.seen.toarray() > 0, relevant)):
        hits = [place for place, (_, hit, _) in enumerate(ranked) if hit]
        assert found["full_mrr"][user] == pytest.approx(1 / (hits[0] + 1))
        assert found["full_recall_at_10"][user] == pytest.approx(sum(h < 10 for h in hits) / 3)


def ranx_scores(scores: np.ndarray, task: protocol.Task) -> dict[str, np.ndarray]:
    """What ranx makes of the whole lists of every user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of what it imports
        import ranx

        seen = task.dataset.seen.toarray() > 0
        run = {
            f"{user:02}": {str(m): float(scores[user, m]) for m in np.flatnonzero(~seen[user])}
            for user in task.users
        }
        pairs = zip(task.user, task.movie, strict=True)
        qrels: dict[str, dict[str, int]] = {}
        for user, movie in pairs:
            qrels.setdefault(f"{user:02}", {})[str(movie)] = 1
        found = ranx.evaluate(
            ranx.Qrels(qrels),
            ranx.Run(run),
            ["ndcg@10", "hit_rate@10", "recall@10", "mrr"],
            return_mean=False,
        )
    return dict(found)


def test_full_metrics_are_those_of_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes longer than these few lists
    rows = [
        (user, movie, 1.0 if movie < user % 15 + 1 else 9.0, 1)
        for user in range(50)
        for movie in range(25)
    ]
    task = task_of(frame_table(rows), users_table(50), movies_table(80))
    scores = np.random.default_rng(0).normal(size=(50, 80)).astype(np.float32)
    scores[:, :8] += 1.0
    ours, theirs = protocol.judge(Given(scores), task).by_user, ranx_scores(scores, task)
    assert 0.1 < ours["full_ndcg_at_10"].mean() < 0.9
    assert ours["full_ndcg_at_10"] == pytest.approx(theirs["ndcg@10"])
    assert ours["full_hit_rate_at_10"] == pytest.approx(theirs["hit_rate@10"])
    assert ours["full_recall_at_10"] == pytest.approx(theirs["recall@10"])
    assert ours["full_mrr"] == pytest.approx(theirs["mrr"])
