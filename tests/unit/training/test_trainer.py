"""The loop: its gradient against autograd, and a killed training against one never interrupted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch.nn import functional

from movie_recommender.errors import TrainingError
from movie_recommender.ranking import Dataset
from movie_recommender.training.blocks import Histories
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import fit, weights
from movie_recommender.training.trainer import Epoch, cross_entropy

CONFIG = TrainingConfig(dim=8, epochs=6, mlp_epochs=2, min_steps=4, threads=1)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("n_columns", [10, 1000])
def test_the_gradient_is_that_of_the_loss(dataset: Dataset, n_columns: int) -> None:
    histories = Histories(dataset, replace(CONFIG, columns=n_columns))
    block = next(histories.blocks(np.random.default_rng(1)))
    width = dataset.positives.shape[1] if block.columns is None else len(block.columns)
    logits = torch.randn(len(block.users), width, generator=torch.Generator().manual_seed(0))
    target, weight = torch.zeros_like(logits), torch.zeros_like(logits)
    weight += 0.3 * torch.as_tensor(block.scale)
    weight[block.inputs.user, block.inputs.place] = 0.0
    weight[block.unliked.user, block.unliked.place] = 0.0
    target[block.target_user, block.target_place] = 1.0
    weight[block.target_user, block.target_place] = torch.from_numpy(block.target_weight)
    free = logits.clone().requires_grad_()
    expected = functional.binary_cross_entropy_with_logits(free, target, weight, reduction="sum")
    expected.backward()
    loss, gradient = cross_entropy(logits, block, 0.3)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert free.grad is not None
    torch.testing.assert_close(gradient, free.grad, rtol=1e-4, atol=1e-6)


def test_a_sample_of_movies_keeps_the_losss_expectation(dataset: Dataset) -> None:
    movies = dataset.positives.shape[1]
    logits = torch.randn(60, movies, generator=torch.Generator().manual_seed(0))

    def mean(n_columns: int) -> float:
        histories = Histories(dataset, replace(CONFIG, columns=n_columns, input_share=0.0))
        losses = []
        for seed in range(300):
            block = next(histories.blocks(np.random.default_rng(seed)))
            columns = slice(None) if block.columns is None else block.columns
            losses.append(cross_entropy(logits[block.users][:, columns], block, 0.5)[0])
        return float(np.mean(losses))

    assert mean(10) == pytest.approx(mean(1000), rel=0.03)


def test_a_training_on_drawn_columns_learns_as_well(dataset: Dataset) -> None:
    epochs: list[Epoch] = []
    fit(dataset, replace(CONFIG, columns=15, epochs=12), on_epoch=epochs.append)
    assert epochs[-1].loss < 0.9 * epochs[0].loss


@pytest.mark.parametrize("killed_in", [1, 3, 5, 6])
def test_a_killed_training_ends_as_one_never_interrupted(
    dataset: Dataset, tmp_path: Path, killed_in: int
) -> None:
    whole: list[Epoch] = []
    expected = weights(fit(dataset, CONFIG, on_epoch=whole.append).model)

    def kill(epoch: Epoch) -> None:
        if epoch.number == killed_in:
            raise KilledError

    save = tmp_path / "training" / "state.safetensors"
    with pytest.raises(KilledError):
        fit(dataset, CONFIG, on_epoch=kill, save=save)
    epochs: list[Epoch] = []
    resumed = weights(fit(dataset, CONFIG, on_epoch=epochs.append, save=save).model)
    assert epochs == whole
    assert [epoch.again for epoch in epochs] == [epoch.number <= killed_in for epoch in epochs]
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)
    assert [path.name for path in save.parent.iterdir()] == ["state.safetensors"]


def test_a_damaged_checkpoint_is_left_aside(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(CONFIG, epochs=2)
    expected = weights(fit(dataset, config).model)
    save = tmp_path / "state.safetensors"
    fit(dataset, config, save=save)
    save.write_bytes(save.read_bytes()[:-100])
    again = weights(fit(dataset, config, save=save).model)
    assert all(torch.equal(again[name], expected[name]) for name in expected)
    assert "damaged" in caplog.text
    assert SafetensorError.__name__ in caplog.text


def test_an_exploding_loss_names_the_last_good_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    save = tmp_path / "state.safetensors"
    config = replace(CONFIG, learning_rate=3.0, warmup=0.9)
    with pytest.raises(TrainingError, match=r"Last good checkpoint: epoch \d in .*state"):
        fit(dataset, config, save=save)
    assert save.exists()
