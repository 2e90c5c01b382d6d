"""A training's state on disk: weights, optimiser, generator, epochs. No pickle."""

import json
import os
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from movie_recommender.training.adam import Adam

if TYPE_CHECKING:
    from movie_recommender.training.trainer import Epoch

_META, _OPTIMISER = "training 2", "optimiser/"


class DamagedError(Exception):
    """A checkpoint that can't be gone on from."""


def save(
    path: Path,
    model: nn.Module,
    optimiser: Adam,
    rng: np.random.Generator,
    epochs: "Sequence[Epoch]",
) -> None:
    """Write the state; a kill leaves the checkpoint before it, whole.

    Args:
        path: the file; its folder is made if it isn't there.
        model: its parameters.
        optimiser: its moments and step counts.
        rng: its position.
        epochs: what was trained so far.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"rng": rng.bit_generator.state, "epochs": [astuple(epoch)[:3] for epoch in epochs]}
    aside = path.with_suffix(".writing")
    save_file(_tensors(model, optimiser), aside, metadata={_META: json.dumps(meta)})
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def load(
    path: Path,
    model: nn.Module,
    optimiser: Adam,
    rng: np.random.Generator,
) -> list[list[Any]]:
    """Put a saved state into `model`, `optimiser` and `rng`; the fields of each epoch so far.

    Raises:
        FileNotFoundError: there is none.
        DamagedError: it is cut off, of an earlier code or of a model of other sizes; nothing was
            changed.
    """
    try:
        # Read as a whole first: a file that is cut off must change nothing.
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            meta = json.loads(file.metadata()[_META])
    except (SafetensorError, KeyError) as error:
        raise DamagedError(f"{type(error).__name__}: {error}") from error  # noqa: EM102
    weights = dict(model.named_parameters())
    shapes = {name: tensors.get(f"model/{name}", torch.empty(0)).shape for name in weights}
    if shapes != {name: weight.shape for name, weight in weights.items()}:
        message = f"it is of another model: {shapes}"
        raise DamagedError(message)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"model/{name}"])
    optimiser.load_state(
        {
            key.removeprefix(_OPTIMISER): value
            for key, value in tensors.items()
            if key.startswith(_OPTIMISER)
        }
    )
    rng.bit_generator.state = meta["rng"]
    epochs: list[list[Any]] = meta["epochs"]
    return epochs


def _tensors(model: nn.Module, optimiser: Adam) -> dict[str, Tensor]:
    weights = {f"model/{name}": weight.detach() for name, weight in model.named_parameters()}
    return weights | {_OPTIMISER + key: value for key, value in optimiser.state().items()}
