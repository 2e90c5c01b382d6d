"""The one place where the benchmarks train: as `train_model` does, in a process of its own."""

import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np

from movie_recommender.ranking import Dataset
from movie_recommender.training import fitting as training
from movie_recommender.training.config import TrainingConfig


@dataclass(frozen=True)
class Trained:
    """What a training cost.

    Attributes:
        seconds: from the data in memory to the written bundle.
        epoch_seconds: of each epoch; the first one's with the model's start.
        peak_mb: resident memory of the process at its highest, libraries and data with it.
    """

    seconds: float
    epoch_seconds: tuple[float, ...]
    peak_mb: float


def fit(dataset: Dataset, config: TrainingConfig, bundle: Path) -> Trained:
    """Learn from `dataset` and write what is served into the new folder `bundle`."""
    started = perf_counter()
    ends: list[float] = []
    fitted = training.fit(dataset, config, on_epoch=lambda _: ends.append(perf_counter()))
    training.write_bundle(bundle, fitted)
    epochs = tuple(float(seconds) for seconds in np.diff([started, *ends]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Trained(perf_counter() - started, epochs, peak)


def fit_apart(dataset: Dataset, config: TrainingConfig, bundle: Path) -> Trained:
    """`fit` in a fresh process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(fit, dataset, config, bundle).result()
