"""The network and the loop on worlds whose answer is known."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.sparse import csr_array

from movie_recommender.errors import TrainingError
from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset, NeuMF
from movie_recommender.ranking.history import ALL_ALIKE, Ints, Recency, history_matrix
from movie_recommender.ranking.scorer import CATALOGUE, LIKED_BY
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import Fitted, fit, weights, write_bundle
from movie_recommender.training.ncf import Past
from movie_recommender.training.trainer import Epoch
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

CONFIG = TrainingConfig(dim=8, epochs=12, mlp_epochs=4, min_steps=4, threads=1)


def fitted(dataset: Dataset, config: TrainingConfig = CONFIG) -> tuple[Fitted, list[Epoch]]:
    epochs: list[Epoch] = []
    return fit(dataset, config, on_epoch=epochs.append), epochs


@pytest.fixture(scope="module")
def task() -> protocol.Task:
    frame, users, movies = checkerboard()
    window = protocol.Window(END - timedelta(days=3), END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=0)


@pytest.fixture(scope="module")
def bundle(task: protocol.Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "bundle"
    write_bundle(directory, fitted(task.dataset)[0])
    return directory


def test_it_learns_the_checkerboard(task: protocol.Task, bundle: Path) -> None:
    metrics = protocol.judge(NeuMF(bundle, task.dataset), task).means()
    # A perfect ranking of colours still ties 4 of 24 draws by chance: see the protocol's test.
    assert metrics["auc"] > 0.85
    assert metrics["full_hit_rate_at_10"] > 0.95


def test_numpy_scores_are_torch_scores(task: protocol.Task, tmp_path: Path) -> None:
    learned, _ = fitted(task.dataset, replace(CONFIG, epochs=4))
    model, dataset = learned.model, task.dataset
    with torch.no_grad():
        movies, bias = model.movies()
        liked = past(movies, dataset.positives, dataset.times, CONFIG.recency)
        unliked = past(movies, dataset.unliked, None, ALL_ALIKE)
        users = model.users(torch.arange(60), liked, unliked, known=torch.ones(60, 1))
        expected = model(users, movies, bias)
    assert torch.count_nonzero(model.mlp_out) > 0  # the tower takes part
    write_bundle(tmp_path / "b", learned)
    scores = NeuMF(tmp_path / "b", dataset).scores(np.arange(60))
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-4, atol=1e-4)


def past(movies: torch.Tensor, matrix: csr_array, times: Ints | None, recency: Recency) -> Past:
    weights = history_matrix(matrix, times, recency).toarray()
    count = torch.from_numpy(np.diff(matrix.indptr)[:, None]).float()
    return Past(torch.from_numpy(weights) @ movies, count)


def test_same_seed_same_model(task: protocol.Task) -> None:
    config = replace(CONFIG, epochs=2, mlp_epochs=1)
    first, again, other = (
        weights(fitted(task.dataset, replace(config, seed=seed))[0].model) for seed in (3, 3, 4)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["movie_embedding"], other["movie_embedding"])


def test_training_leaves_the_global_generator_alone(task: protocol.Task) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fitted(task.dataset, replace(CONFIG, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_loss_falls(task: protocol.Task) -> None:
    epochs = fitted(task.dataset)[1]
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert epochs[-1].loss < 0.9 * epochs[0].loss


def test_a_new_user_is_ranked_by_his_history(bundle: Path) -> None:
    # User row 60 was never trained; he liked even movies, user row 61 odd ones.
    rows = [(60, movie, 5.0, 1) for movie in (0, 2, 4)] + [(61, m, 5.0, 1) for m in (1, 3, 5)]
    dataset = Dataset.before(END, frame_table(rows), users=users_table(62), movies=movies_table(40))
    scores = NeuMF(bundle, dataset).scores(np.array([60, 61]))
    even, odd = scores[:, 6::2].mean(axis=1), scores[:, 7::2].mean(axis=1)
    assert even[0] > odd[0]
    assert odd[1] > even[1]


def test_what_was_met_without_a_like_counts(tmp_path: Path) -> None:
    # Everybody opens movies of his own side and likes some of them; users 60 and 61 only opened.
    rng = np.random.default_rng(7)
    rows = [
        (user, int(movie), 9.0, int(place < 8))
        for user in range(60)
        for place, movie in enumerate(rng.permutation(np.arange(user % 2, 40, 2))[:14])
    ]
    opened = [(60, movie, 5.0, 0) for movie in (0, 2, 4)] + [(61, m, 5.0, 0) for m in (1, 3, 5)]
    frame = frame_table(rows + opened)
    dataset = Dataset.before(END, frame, users=users_table(62), movies=movies_table(40))
    write_bundle(tmp_path / "b", fitted(dataset)[0])
    scores = NeuMF(tmp_path / "b", dataset).scores(np.array([60, 61]))
    leaning = scores[:, 6::2].mean(axis=1) - scores[:, 7::2].mean(axis=1)
    assert leaning[0] - leaning[1] > 0.5


def test_a_new_movie_is_ranked_by_its_genres(task: protocol.Task, bundle: Path) -> None:
    # Movie rows 40 (even genres) and 41 (odd) came after the training.
    dataset = Dataset(
        users=task.dataset.users,
        movies=movies_table(42),
        positives=_widened(task.dataset.positives, 42),
        seen=_widened(task.dataset.seen, 42),
        until=END,
    )
    scores = NeuMF(bundle, dataset).scores(np.arange(60))
    preference = scores[:, 40] - scores[:, 41]
    assert preference[0::2].mean() > preference[1::2].mean()


def _widened(matrix, n_movies):
    wider = matrix.copy()
    wider.resize((matrix.shape[0], n_movies))
    return wider


def test_the_catalogue_keeps_the_feature_stores_columns(tmp_path: Path) -> None:
    # Its popularity, which decays, once stood beside another column of the same name.
    movies = movies_table(3).append_column("popularity", pa.array([0.5, 1.5, 2.5]))
    frame = frame_table([(0, 0, 5.0, 1), (1, 1, 5.0, 1), (0, 1, 5.0, 1)])
    dataset = Dataset.before(END, frame, users=users_table(2), movies=movies)
    write_bundle(tmp_path / "b", fitted(dataset, replace(CONFIG, epochs=1))[0])
    catalogue = pq.read_table(tmp_path / "b" / CATALOGUE)
    assert catalogue.column_names == [*movies.column_names, LIKED_BY]
    assert catalogue[LIKED_BY].to_pylist() == [1, 2, 0]
    assert NeuMF(tmp_path / "b", dataset).scores(np.arange(2)).shape == (2, 3)


def test_a_movie_that_nobody_had_liked_is_as_if_new(task: protocol.Task, tmp_path: Path) -> None:
    frame, users, movies = checkerboard()
    unliked = np.isin(frame["movie_id"], movies["movie_id"].take([10, 11]), invert=True)
    dataset = Dataset.before(END, frame.filter(pa.array(unliked)), users=users, movies=movies)
    write_bundle(tmp_path / "b", fitted(dataset)[0])
    scores = NeuMF(tmp_path / "b", dataset).scores(np.arange(60))
    preference = scores[:, 10] - scores[:, 11]
    assert preference[0::2].mean() > preference[1::2].mean()
    # Its own side's users put it among the movies of that side that others did like.
    assert np.median((scores[0::2, 10, None] > scores[0::2, 1::2]).mean(axis=1)) > 0.9


def test_divergence_names_the_epoch(task: protocol.Task) -> None:
    with pytest.raises(
        TrainingError, match=r"loss (nan|inf|\S+e\S+) in epoch \d+ at learning rate"
    ):
        fitted(task.dataset, replace(CONFIG, learning_rate=1e30))


def test_more_dimensions_than_the_data_has() -> None:
    frame = frame_table([(0, 0, 5.0, 1), (1, 1, 5.0, 1)])
    dataset = Dataset.before(END, frame, users=users_table(2), movies=movies_table(3))
    learned, epochs = fitted(dataset, replace(CONFIG, epochs=1))
    assert all(torch.isfinite(weight).all() for weight in learned.model.parameters())
    assert len(epochs) == 1
