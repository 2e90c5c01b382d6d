"""Where a training computes: the same model on a GPU, but for rounding."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from movie_recommender.errors import ConfigurationError
from movie_recommender.ranking import Dataset
from movie_recommender.training.fitting import fit, weights
from movie_recommender.training.trainer import Epoch, check_device
from tests.unit.training.test_trainer import CONFIG, KilledError

ON_GPU = replace(CONFIG, device="cuda")

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_isnt_there_is_said() -> None:
    check_device(CONFIG)
    with pytest.raises(ConfigurationError, match=r"TRAINING_DEVICE=cuda.* finds no GPU here"):
        check_device(ON_GPU)


@needs_gpu
@pytest.mark.parametrize("columns", [20_000, 12])
def test_on_a_gpu_it_learns_what_it_learns_on_the_cpu(dataset: Dataset, columns: int) -> None:
    check_device(ON_GPU)
    losses: dict[str, list[float]] = {"cpu": [], "cuda": []}
    models = {}
    for device, found in losses.items():
        config = replace(CONFIG, device=device, columns=columns)
        fitted = fit(dataset, config, on_epoch=lambda epoch, found=found: found.append(epoch.loss))
        models[device] = weights(fitted.model)
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)
    for name, weight in models["cpu"].items():
        assert models["cuda"][name].device.type == "cpu"
        torch.testing.assert_close(models["cuda"][name], weight, rtol=0.05, atol=0.02)


@needs_gpu
def test_a_training_that_was_killed_on_a_gpu_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    whole: list[Epoch] = []
    fit(dataset, ON_GPU, on_epoch=whole.append)

    def kill(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KilledError

    with pytest.raises(KilledError):
        fit(dataset, ON_GPU, on_epoch=kill, save=tmp_path / "save")
    resumed: list[Epoch] = []
    fit(dataset, ON_GPU, on_epoch=resumed.append, save=tmp_path / "save")
    assert [epoch.again for epoch in resumed] == [True] * 3 + [False] * 3
    expected = [epoch.loss for epoch in whole]
    assert [epoch.loss for epoch in resumed] == pytest.approx(expected, rel=1e-3)
