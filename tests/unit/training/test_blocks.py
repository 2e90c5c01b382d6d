"""Blocks: who is in them, what is input, what is target, what a drawn column stands for."""

from dataclasses import replace

import numpy as np
import pytest

from movie_recommender.ranking import Dataset
from movie_recommender.training.blocks import Block, Histories, target_weights
from movie_recommender.training.config import TrainingConfig
from tests.unit.worlds import END, frame_table, movies_table, users_table

CONFIG = TrainingConfig(min_steps=4, new_share=0.0, id_dropout=0.0)
N_USERS, N_MOVIES = 50, 30


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(3)
    rows = [
        (user, int(movie), float(rng.uniform(1, 300)), int(place == 0 or rng.random() < 0.6))
        for user in range(1, N_USERS)  # user 0 meets nothing
        for place, movie in enumerate(rng.choice(N_MOVIES, rng.integers(1, 28), replace=False))
    ]
    users, movies = users_table(N_USERS), movies_table(N_MOVIES)
    return Dataset.before(END, frame_table(rows), users=users, movies=movies)


def blocks(dataset: Dataset, config: TrainingConfig, *, seed: int = 0) -> list[Block]:
    return list(Histories(dataset, config).blocks(np.random.default_rng(seed)))


def test_an_epoch_has_every_user_with_a_positive_once(dataset: Dataset) -> None:
    rows = np.concatenate([block.users for block in blocks(dataset, CONFIG)])
    assert sorted(rows) == list(range(1, N_USERS))


def test_each_positive_is_input_or_target(dataset: Dataset) -> None:
    for block in blocks(dataset, CONFIG):
        cells = np.zeros((len(block.users), N_MOVIES))
        np.add.at(cells, (block.inputs.user, block.inputs.place), 1)
        np.add.at(cells, (block.target_user, block.target_place), 1)
        assert np.array_equal(cells, dataset.positives[block.users].toarray())


def test_all_that_was_met_without_a_like_is_given(dataset: Dataset) -> None:
    assert dataset.unliked.nnz > 100
    for block in blocks(dataset, CONFIG):
        cells = np.zeros((len(block.users), N_MOVIES))
        np.add.at(cells, (block.unliked.user, block.unliked.place), 1)
        assert np.array_equal(cells, (dataset.seen - dataset.positives)[block.users].toarray())
        squares = np.bincount(block.unliked.user, block.unliked.weight**2)
        np.testing.assert_allclose(squares[squares > 0.0], 1.0, rtol=1e-5)


def test_about_the_share_is_input(dataset: Dataset) -> None:
    given = [block.inputs for seed in range(20) for block in blocks(dataset, CONFIG, seed=seed)]
    share = sum(len(inputs.place) for inputs in given) / (20 * dataset.positives.nnz)
    assert share == pytest.approx(CONFIG.input_share, abs=0.02)


def test_a_new_user_has_neither_id_nor_history(dataset: Dataset) -> None:
    for block in blocks(dataset, replace(CONFIG, new_share=1.0)):
        assert not block.known.any()
        assert len(block.inputs.place) == len(block.unliked.place) == 0
        assert len(block.target_place) == dataset.positives[block.users].nnz


def test_inputs_weigh_by_how_new_they_are(dataset: Dataset) -> None:
    assert dataset.times is not None
    when = dataset.positives.copy()
    when.data = dataset.times.astype(np.float64)
    block = blocks(dataset, CONFIG)[0]
    for user in range(len(block.users)):
        mine = block.inputs.user == user
        times = [float(when[block.users[user], movie]) for movie in block.inputs.place[mine]]
        assert times == sorted(times)
        assert np.all(np.diff(block.inputs.weight[mine]) > 0.0)
        if mine.any():
            assert np.sum(block.inputs.weight[mine] ** 2) == pytest.approx(1.0, rel=1e-5)


def test_targets_weigh_by_age() -> None:
    frame = frame_table([(0, 0, 366.0, 1), (0, 1, 1.0, 1)])
    dataset = Dataset.before(END, frame, users=users_table(1), movies=movies_table(2))
    weights = target_weights(dataset, replace(CONFIG, target_half_life_days=365.0))
    np.testing.assert_allclose(weights, [2 / 3, 4 / 3], rtol=1e-6)


def test_unknown_times_weigh_alike(dataset: Dataset) -> None:
    timeless = replace(dataset, times=None)
    assert set(target_weights(timeless, CONFIG)) == {1.0}
    block = blocks(timeless, CONFIG)[0]
    first = block.inputs.weight[block.inputs.user == 0]
    assert np.unique(first).size <= 1


def test_of_a_large_catalogue_a_sample_stands_for_all(dataset: Dataset) -> None:
    for block in blocks(dataset, replace(CONFIG, columns=10)):
        assert block.columns is not None
        assert np.all(np.diff(block.columns) > 0)
        scale = np.asarray(block.scale)
        assert np.isin(scale, [0.0, N_MOVIES / 10]).all()
        assert scale.sum() == pytest.approx(N_MOVIES, rel=1e-6)
        liked = np.concatenate([block.inputs.place, block.target_place])
        owner = np.concatenate([block.inputs.user, block.target_user])
        positives = dataset.positives[block.users].toarray()
        assert positives[owner, block.columns[liked]].all()
        assert len(liked) == positives.sum()
        unliked = dataset.unliked[block.users].toarray()
        assert unliked[block.unliked.user, block.columns[block.unliked.place]].all()
        assert len(block.unliked.place) == unliked.sum()


def test_some_movies_count_as_new(dataset: Dataset) -> None:
    known = [
        block.column_known
        for seed in range(20)
        for block in blocks(dataset, replace(CONFIG, new_movie_share=0.3), seed=seed)
    ]
    assert np.mean(known) == pytest.approx(0.7, abs=0.03)
    assert all(set(np.unique(each)) <= {0.0, 1.0} for each in known)


def test_few_users_get_small_blocks() -> None:
    users, movies = users_table(100), movies_table(2)
    frame = frame_table([(user, 0, 1.0, 1) for user in range(100)])
    dataset = Dataset.before(END, frame, users=users, movies=movies)

    def sizes(**kwargs: int) -> tuple[int, int]:
        histories = Histories(dataset, replace(TrainingConfig(), **kwargs))
        return histories.block_size, histories.steps_per_epoch

    assert sizes(block=128, min_block=16, min_steps=40) == (16, 7)
    assert sizes(block=128, min_block=1, min_steps=40) == (3, 34)
    assert sizes(block=8, min_block=1, min_steps=4) == (8, 13)
