"""The training loop: whole rows of the user-movie matrix, not sampled pairs.

A block of users is scored against the whole catalogue in one matrix product, and the gradient of
the binary cross-entropy over all its cells is written straight into the scores' place. Nothing is
sampled but which part of a user's history is input and which is target.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from torch import Tensor

from movie_recommender.errors import TrainingError
from movie_recommender.ranking.scorer import normalised
from movie_recommender.training.ncf import NeuMF, Sizes


@dataclass(frozen=True)
class TrainingConfig:
    """Constants of the training; they are part of what makes two models the same model."""

    dim: int = 64
    epochs: int = 12
    mlp_epochs: int = 2
    """The MLP tower joins for the last epochs; from the start it costs time and adds nothing."""
    block: int = 128
    """Users scored at once."""
    learning_rate: float = 0.005
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; then it falls linearly to zero."""
    dropout: float = 0.25
    unobserved_weight: float = 0.5
    """Weight of a cell without a positive; a positive has 1."""
    input_share: float = 0.7
    """Share of a user's history that is input; the rest is target."""
    id_dropout: float = 0.1
    """Share of users trained as if nobody knew them: history and side features must do."""
    user_l2: float = 0.02
    """L2 penalty on the users' id vectors."""
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True)
class Epoch:
    """What an epoch ended with; `loss` is the mean weighted cross-entropy a positive."""

    number: int
    loss: float
    learning_rate: float


def initial_model(
    positives: csr_array, user_features: Tensor, movie_features: Tensor, config: TrainingConfig
) -> NeuMF:
    """A model started from the positives' truncated SVD and each movie's log odds.

    Args:
        positives: (U, I) float32.
        user_features: (U, Fu) float32.
        movie_features: (I, Fi) float32.
        config: sizes and seed.
    """
    n_users, n_movies = positives.shape
    sizes = Sizes(n_users, n_movies, user_features.shape[1], movie_features.shape[1], config.dim)
    model = NeuMF(sizes, user_features, movie_features, dropout=config.dropout)
    popularity = np.asarray(positives.sum(axis=0))
    share = (popularity + 0.5) / (n_users + 1.0)
    model.reset(
        torch.Generator().manual_seed(config.seed),
        movie_vectors=torch.from_numpy(_movie_vectors(positives, config)),
        bias=torch.from_numpy(np.log(share / (1.0 - share)).astype(np.float32)),
    )
    return model


def _movie_vectors(positives: csr_array, config: TrainingConfig) -> np.ndarray:
    """(I, d) float32: right singular vectors of the row-normalised matrix, by root of sigma."""
    rank = min(config.dim, min(positives.shape) - 1)
    start = np.random.default_rng(config.seed).standard_normal(min(positives.shape))
    vectors = np.zeros((positives.shape[1], config.dim), np.float32)
    if rank > 0 and positives.nnz > 0:
        _, sigma, right = svds(normalised(positives).astype(np.float64), k=rank, v0=start)
        # The sign of a singular vector is arbitrary: fix it, so that every LAPACK agrees.
        signs = np.sign(right[np.arange(rank), np.abs(right).argmax(axis=1)])
        vectors[:, :rank] = (right * (signs * np.sqrt(sigma))[:, None]).T
    return vectors


def train(
    model: NeuMF, positives: csr_array, config: TrainingConfig, *, on_epoch: Callable[[Epoch], None]
) -> None:
    """Train `model` in place; calls `on_epoch` after each epoch.

    Same arguments, same thread count, same machine type: same weights.

    Raises:
        TrainingError: the loss is not finite; names the epoch and the learning rate.
    """
    torch.set_num_threads(config.threads)
    generator = torch.Generator().manual_seed(config.seed)
    active = torch.from_numpy(np.flatnonzero(np.diff(positives.indptr)))
    steps = config.epochs * math.ceil(len(active) / config.block)
    optimiser = _optimiser(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, steps, config.warmup)
    )
    model.train()
    for number in range(1, config.epochs + 1):
        mlp = number > config.epochs - config.mlp_epochs
        rate = float(schedule.get_last_lr()[0])
        total = 0.0
        # Dropout draws from torch's global generator; fork it so that only this loop sees it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed * 1_000_003 + number)
            for rows in _blocks(active, config.block, generator):
                optimiser.zero_grad(set_to_none=True)
                total += _backward(model, rows, positives, config, generator, mlp=mlp)
                optimiser.step()
                schedule.step()
        loss = total / max(1, positives.nnz)
        if not math.isfinite(loss):
            message = (
                f"Training diverged: loss {loss} in epoch {number} at learning rate {rate:.2g}. "
                "No candidate was registered. Look for non-finite features, or lower the rate."
            )
            raise TrainingError(message)
        on_epoch(Epoch(number, loss, rate))
    model.eval()


def _optimiser(model: NeuMF, config: TrainingConfig) -> torch.optim.Optimizer:
    ids = model.user_embedding
    groups: list[dict[str, Any]] = [
        {"params": [ids], "weight_decay": config.user_l2},
        {"params": [weight for weight in model.parameters() if weight is not ids]},
    ]
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: linear rise over the warm-up, then linear fall to zero."""
    rise = max(1.0, warmup * steps)
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (steps - step) / max(1.0, steps - rise))


def _blocks(active: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(len(active), generator=generator)
    yield from torch.split(active[order], size)


def _backward(
    model: NeuMF,
    rows: Tensor,
    positives: csr_array,
    config: TrainingConfig,
    generator: torch.Generator,
    *,
    mlp: bool,
) -> float:
    """Add a block's gradient to the parameters; the block's summed loss."""
    liked = torch.from_numpy(positives[rows.numpy()].toarray())  # (B, I)
    history = liked * (torch.rand(liked.shape, generator=generator) < config.input_share)
    target = liked - history  # (B, I)
    keep = (torch.rand((len(rows), 1), generator=generator) >= config.id_dropout).float()
    movies = model.movies()
    logits = model(model.users(rows, history, movies, keep=keep), movies, mlp=mlp)
    with torch.no_grad():
        # Input cells have no say: their answer was given away.
        weight = torch.where(liked > 0, target, config.unobserved_weight)  # (B, I)
        # Beyond 30 a probability is 0 or 1 to float32, and its denormals cost tenfold the time.
        bounded = logits.clamp(-30.0, 30.0)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            bounded, target, weight, reduction="sum"
        )
        gradient = (torch.sigmoid(bounded) - target).mul_(weight)  # d loss / d logits
        gradient /= len(rows)
    logits.backward(gradient)
    return float(loss)
