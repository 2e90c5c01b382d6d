"""A cold start against a warm one: each is judged on the validation window."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset, NeuMF, Popularity
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import Fitted, begin, write_model
from movie_recommender.training.start import Earlier
from movie_recommender.training.trainer import Epoch, train

logger = logging.getLogger(__name__)

COLD, WARM, FINAL = "cold", "warm", "final"

CHOSEN_BY = "full_ndcg_at_10"
"""The metric that decides between the starts: what serving shows is the whole catalogue's list."""

CURVE = ("ndcg_at_10", CHOSEN_BY)
"""What a learning curve shows."""

POINTS = 5
"""Times that a training is looked at for its learning curve, ..."""

_CURVE_USERS = 1000
"""... on so many of the window's users."""

Log = Callable[[Mapping[str, float], int], None]
"""Takes metrics and the epoch that they belong to."""


@dataclass(frozen=True)
class Contest:
    """How the starts did.

    Attributes:
        metrics: means over the validation window's users, by start; empty without a positive there.
        popularity: the same of the baseline.
        best: the start with the higher `CHOSEN_BY`; cold where they are equal or nothing is judged.
    """

    metrics: dict[str, dict[str, float]]
    popularity: dict[str, float]
    best: str


@dataclass(frozen=True)
class Trainings:
    """The trainings of one candidate.

    Attributes:
        config: constants.
        starts: the model that each start goes on from.
        saves: folder for their checkpoints.
        log: takes the learning curves.
    """

    config: TrainingConfig
    starts: Mapping[str, Earlier | None]
    saves: Path
    log: Log

    def compare(self, task: protocol.Task) -> Contest:
        """Train each start on what lies before the window, and judge it there.

        Raises:
            TrainingError: a loss is not finite or explodes.
        """
        metrics: dict[str, dict[str, float]] = {}
        for name in self.starts:
            fitted = self._train(name, name, task.dataset, task)
            if len(task.user):
                metrics[name] = _judged(fitted, task)
                logger.info("validated start=%s %s=%.4f", name, CHOSEN_BY, metrics[name][CHOSEN_BY])
        best = max(self.starts, key=lambda name: metrics.get(name, {}).get(CHOSEN_BY, 0.0))
        popularity = protocol.judge(Popularity(task.dataset), task).means() if metrics else {}
        return Contest(metrics, popularity, best)

    def finish(self, dataset: Dataset, start: str) -> Fitted:
        """Train from `start` on all that may be learned from.

        Raises:
            TrainingError: the loss is not finite or explodes.
        """
        return self._train(FINAL, start, dataset, None)

    def _train(self, name: str, start: str, dataset: Dataset, task: protocol.Task | None) -> Fitted:
        fitted = begin(dataset, self.config, earlier=self.starts[start])
        prefix = "" if name == COLD else f"{name}_"
        epochs = fitted.config.epochs
        looked_at = {round(epochs * point / POINTS) for point in range(1, POINTS + 1)}
        sample = None if task is None or not len(task.user) else _some_users(task)

        def on_epoch(epoch: Epoch) -> None:
            logger.info("training=%s epoch=%s loss=%.4f", name, epoch.number, epoch.loss)
            curve = {"loss": epoch.loss, "learning_rate": epoch.learning_rate}
            if sample is not None and epoch.number in looked_at and not epoch.again:
                judged = _judged(fitted, sample)
                curve |= {f"validation_{metric}": judged[metric] for metric in CURVE}
            self.log({prefix + key: value for key, value in curve.items()}, epoch.number)

        save = self.saves / f"{name}.safetensors"
        train(fitted.model, dataset, fitted.config, on_epoch=on_epoch, save=save)
        return fitted


def _judged(fitted: Fitted, task: protocol.Task) -> dict[str, float]:
    """What serving would get from the model: it is judged by the files that are served."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        write_model(bundle, fitted)
        return protocol.judge(NeuMF(bundle, task.dataset), task).means()


def _some_users(task: protocol.Task) -> protocol.Task:
    """The task for a part of its users, spread over all of them."""
    step = -(-len(task.users) // _CURVE_USERS)
    kept = np.isin(task.user, task.users[::step])
    return replace(
        task, user=task.user[kept], movie=task.movie[kept], negatives=task.negatives[kept]
    )
