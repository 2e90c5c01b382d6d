"""The training loop: whole rows of the user-movie matrix, not sampled pairs.

A block of users is scored against the whole catalogue in one matrix product, and the gradient of
the binary cross-entropy over all its cells is written straight into the scores' place.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from movie_recommender.errors import ConfigurationError, TrainingError
from movie_recommender.ranking import Dataset
from movie_recommender.training import checkpoint
from movie_recommender.training.adam import Adam, Group
from movie_recommender.training.blocks import Bags, Block, Histories
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.memory import freed_memory_kept
from movie_recommender.training.ncf import NeuMF, Past

logger = logging.getLogger(__name__)

EXPLODED = 3.0
"""A loss so many times the first epoch's is no training any more."""

_BOUND = 30.0
"""Beyond it a probability is 0 or 1 to float32, and its denormals cost tenfold the time."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch ended with.

    Attributes:
        number: from 1.
        loss: mean weighted cross-entropy a target.
        learning_rate: of its last step.
        again: it was trained by an earlier call, and the model has learned more since.
    """

    number: int
    loss: float
    learning_rate: float
    again: bool = field(default=False, compare=False)


@dataclass
class _State:
    """Everything that a resumed training needs to go on as if it had never stopped."""

    model: NeuMF
    optimiser: Adam
    rng: np.random.Generator
    epochs: list[Epoch] = field(default_factory=list)


def train(
    model: NeuMF,
    dataset: Dataset,
    config: TrainingConfig,
    *,
    on_epoch: Callable[[Epoch], None],
    save: Path | None = None,
) -> None:
    """Train `model` in place; calls `on_epoch` after each epoch.

    Same arguments, same thread count, same machine type: same weights, also when it was killed
    anywhere and is called again with the same `save`. On a GPU sums have no fixed order, so that
    two trainings differ in their last digits.

    Args:
        model: started, see `initial_model`.
        dataset: what to learn from.
        config: constants.
        on_epoch: is called again for epochs that an earlier call had finished.
        save: file that takes a checkpoint after each epoch, and is gone on from if it is there and
            of the same training; it stays at the end.

    Raises:
        TrainingError: the loss is not finite or explodes; names the epoch, the learning rate and
            the last good checkpoint.
    """
    torch.set_num_threads(config.threads)
    model.to(config.device)
    histories = Histories(dataset, config)
    state = _State(model, _optimiser(model, histories, config), np.random.default_rng(config.seed))
    if save is not None:
        _resume(state, save)
    for epoch in state.epochs:
        on_epoch(epoch)
    with freed_memory_kept():
        for number in range(len(state.epochs) + 1, config.epochs + 1):
            epoch = _epoch(state, histories, config, number)
            _check(epoch, state.epochs, save)
            state.epochs.append(epoch)
            if save is not None:
                checkpoint.save(save, state.model, state.optimiser, state.rng, state.epochs)
            on_epoch(epoch)
    model.to("cpu")


def check_device(config: TrainingConfig) -> None:
    """Have a look at where the training is to compute, before anything is read.

    Raises:
        ConfigurationError: there is no such device.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        message = (
            f"TRAINING_DEVICE=cuda: PyTorch {torch.__version__} finds no GPU here. Give the task "
            "one (on Kubernetes by TASK_RESOURCES) and PyTorch with CUDA, or set it to cpu."
        )
        raise ConfigurationError(message)


def _resume(state: _State, path: Path) -> None:
    try:
        fields = checkpoint.load(path, state.model, state.optimiser, state.rng)
    except FileNotFoundError:
        return
    except checkpoint.DamagedError as error:
        logger.warning("starting over: the checkpoint %s is damaged: %s", path, error)
        return
    state.epochs = [Epoch(number, loss, rate, again=True) for number, loss, rate in fields]
    logger.info("resumed after epoch=%s from=%s", len(fields), path)


def _optimiser(model: NeuMF, histories: Histories, config: TrainingConfig) -> Adam:
    """Of the users' id vectors only those of the block move: their gradient is sparse."""
    rest = dict(model.named_parameters())
    users, movies = rest.pop("user_embedding"), rest.pop("movie_embedding")
    tower = [rest.pop(name) for name in list(rest) if name.startswith("mlp_")]
    # The loss of a step is a mean over users, the prior one of the sum over all of them.
    decay = config.movie_l2 / max(1, len(histories.active))
    return Adam(
        [
            Group([movies], weight_decay=decay),
            Group(list(rest.values())),
            Group(tower, rate=config.mlp_rate),
            Group([users], sparse=True),
        ]
    )


def _epoch(state: _State, histories: Histories, config: TrainingConfig, number: int) -> Epoch:
    steps = histories.steps_per_epoch
    mlp = number > config.epochs - config.mlp_epochs
    loss = targets = rate = 0.0
    for step, block in enumerate(histories.blocks(state.rng), start=(number - 1) * steps):
        rate = config.learning_rate * _rate(step, config.epochs * steps, config.warmup)
        loss += _backward(state, block, config, mlp=mlp)
        targets += float(block.target_weight.sum())
        state.optimiser.step(rate)
    return Epoch(number, loss / max(1.0, targets), rate)


def _check(epoch: Epoch, earlier: list[Epoch], save: Path | None) -> None:
    limit = EXPLODED * earlier[0].loss if earlier else math.inf
    if math.isfinite(epoch.loss) and epoch.loss <= limit:
        return
    good = f"epoch {len(earlier)} in {save}" if save is not None and earlier else "none"
    message = (
        f"Training diverged: loss {epoch.loss:.4g} in epoch {epoch.number} at learning rate "
        f"{epoch.learning_rate:.2g}. Last good checkpoint: {good}. No candidate was registered. "
        "Look for non-finite features, or lower the learning rate."
    )
    raise TrainingError(message)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: linear rise over the warm-up, then linear fall to zero."""
    rise = max(1.0, warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (steps - step) / max(1.0, steps - rise))


def _backward(state: _State, block: Block, config: TrainingConfig, *, mlp: bool) -> float:
    """Add a block's gradient to the parameters; the block's summed loss."""
    model, device = state.model, config.device
    rows = _tensor(block.users, device)
    columns = None if block.columns is None else _tensor(block.columns, device)
    movies, bias = model.movies(columns, known=_tensor(block.column_known, device))
    liked, unliked = _pasts(block, movies)
    users = model.users(rows, liked, unliked, known=_tensor(block.known, device))  # (B, d)
    kept = state.rng.random(users.shape, np.float32) >= config.dropout
    users = users * _tensor(kept, device).float().div_(1.0 - config.dropout)
    logits = model(users, movies, bias, mlp=mlp)  # (B, C)
    loss, gradient = cross_entropy(logits.detach(), block, config.unobserved_weight)
    penalty = config.user_l2 / 2 * functional.embedding(
        rows, model.user_embedding, sparse=True
    ).square().sum()  # fmt: skip
    torch.autograd.backward([logits, penalty], [gradient / len(rows), None])
    return loss


def _tensor(array: npt.NDArray[Any], device: str | torch.device) -> Tensor:
    """On the CPU it shares the array's memory."""
    return torch.from_numpy(array).to(device)


def _pasts(block: Block, movies: Tensor) -> tuple[Past, Past]:
    """Of what was liked and what not; in one go, for its gradient is as large as `movies`."""
    liked, unliked = block.inputs, block.unliked
    start = np.concatenate([liked.start, len(liked.place) + unliked.start])
    weight = np.concatenate([liked.weight, unliked.weight])
    vectors = functional.embedding_bag(
        _tensor(np.concatenate([liked.place, unliked.place]), movies.device),
        movies,
        _tensor(start, movies.device),
        mode="sum",
        per_sample_weights=_tensor(weight, movies.device),
    )  # (2 B, d)
    of_liked, of_unliked = vectors.chunk(2)
    return _past(of_liked, liked), _past(of_unliked, unliked)


def _past(vectors: Tensor, bags: Bags) -> Past:
    return Past(vectors, _tensor(bags.count, vectors.device).float()[:, None])


def cross_entropy(logits: Tensor, block: Block, unobserved: float) -> tuple[float, Tensor]:
    """Weighted binary cross-entropy (He et al. 2017, equation 7) over all cells of a block.

    Inputs and what was met beside them have no say: their answer was given away. A column that was
    drawn for others counts for them too (`Block.scale`), which keeps the sum's expectation.

    Args:
        logits: (B, C) float32.
        block: which cells are inputs and targets, and the targets' weights.
        unobserved: weight of all other cells.

    Returns:
        The sum of the losses, and (B, C) its derivative by the logits.
    """
    bounded, device = logits.clamp(-_BOUND, _BOUND), logits.device
    width = bounded.shape[1]
    scale = torch.as_tensor(block.scale, dtype=torch.float32, device=device)
    scale = scale.expand(width) * unobserved  # (C,)
    inputs, unliked = block.inputs, block.unliked
    place = _tensor(np.concatenate([inputs.place, unliked.place, block.target_place]), device)
    owner = _tensor(np.concatenate([inputs.user, unliked.user, block.target_user]), device)
    target = _tensor(block.target_user * width + block.target_place, device)  # (m,)
    weight = _tensor(block.target_weight, device)
    flat = bounded.view(-1)
    met = flat[owner * width + place]
    loss = (functional.softplus(bounded) @ scale).sum()
    loss -= (functional.softplus(met) * scale[place]).sum()
    loss += (functional.softplus(-flat[target]) * weight).sum()
    positive = (torch.sigmoid(flat[target]) - 1.0) * weight  # (m,)
    gradient = bounded.sigmoid_().mul_(scale)
    cells = gradient.view(-1)
    cells[owner * width + place] = 0.0
    cells[target] = positive
    return float(loss), gradient
