"""A training's state on disk: weights, optimisers, generator, epochs. No pickle."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from movie_recommender.training.trainer import Epoch

_META = "training"


class DamagedError(Exception):
    """A checkpoint that can't be gone on from."""


def save(
    path: Path,
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    rng: np.random.Generator,
    epochs: "Sequence[Epoch]",
) -> None:
    """Write the state; a kill leaves the checkpoint before it, whole.

    Args:
        path: the file; its folder is made if it isn't there.
        model: its parameters.
        optimisers: their moments and step counts.
        rng: its position.
        epochs: what was trained so far.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"rng": rng.bit_generator.state, "epochs": [astuple(epoch)[:3] for epoch in epochs]}
    aside = path.with_suffix(".writing")
    save_file(_tensors(model, optimisers), aside, metadata={_META: json.dumps(meta)})
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def load(
    path: Path,
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    rng: np.random.Generator,
) -> list[list[Any]]:
    """Put a saved state into `model`, `optimisers` and `rng`; the fields of each epoch so far.

    Raises:
        FileNotFoundError: there is none.
        DamagedError: it is cut off, or of a model of other sizes; nothing was changed.
    """
    try:
        # Read as a whole first: a file that is cut off must change nothing.
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            meta = json.loads(file.metadata()[_META])
    except SafetensorError as error:
        raise DamagedError(f"{type(error).__name__}: {error}") from error  # noqa: EM102
    weights = dict(model.named_parameters())
    shapes = {name: tensors.get(f"model/{name}", torch.empty(0)).shape for name in weights}
    if shapes != {name: weight.shape for name, weight in weights.items()}:
        message = f"it is of another model: {shapes}"
        raise DamagedError(message)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"model/{name}"])
    for number, optimiser in enumerate(optimisers):
        state = _state(tensors, f"optimiser{number}/")
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    rng.bit_generator.state = meta["rng"]
    epochs: list[list[Any]] = meta["epochs"]
    return epochs


def _state(tensors: Mapping[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor | int]]:
    """An optimiser's state by parameter: the inverse of what `_tensors` names."""
    state: dict[int, dict[str, Tensor | int]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            place, name = key.removeprefix(prefix).split("/")
            # SparseAdam counts its steps by a Python int; as a tensor they would be rounded.
            counts = value.dtype == torch.int64
            state.setdefault(int(place), {})[name] = int(value) if counts else value
    return state


def _tensors(model: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    tensors = {f"model/{name}": weight.detach() for name, weight in model.named_parameters()}
    for number, optimiser in enumerate(optimisers):
        for place, values in optimiser.state_dict()["state"].items():
            for name, value in values.items():
                tensors[f"optimiser{number}/{place}/{name}"] = torch.as_tensor(value)
    return tensors
