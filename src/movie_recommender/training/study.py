"""Studies: the file that keeps them, and what the trials in it came to."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import filelock
import optuna
from optuna.trial import FrozenTrial, TrialState

from movie_recommender.errors import ConcurrentWriteError

State = Literal["complete", "pruned", "diverged"]

ERROR = "error"
"""Attribute of a trial that diverged: the message. A killed one has none."""

_OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_UNJUDGED_TRIALS = 5
"""So many trials must have ended before one is compared with their median, ..."""
_UNJUDGED_POINTS = 2
"""... and none at its first points, where a low learning rate is behind whatever comes of it."""


@contextlib.contextmanager
def opened(folder: Path, name: str, *, restart: bool) -> Iterator[optuna.Study]:
    """The study `name` of those that `folder` keeps, a new one if there is none.

    Args:
        folder: is made if it isn't there; one process at a time works in it.
        name: the study's.
        restart: forget what the study knows.

    Raises:
        ConcurrentWriteError: another process works there.
    """
    optuna.logging.disable_default_handler()  # it writes to stderr beside our own
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder.resolve()}/studies.db")
        try:
            if restart:
                with contextlib.suppress(KeyError):
                    optuna.delete_study(study_name=name, storage=storage)
            yield optuna.create_study(
                study_name=name,
                storage=storage,
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(
                    n_startup_trials=_UNJUDGED_TRIALS, n_warmup_steps=_UNJUDGED_POINTS + 1
                ),
                load_if_exists=True,
            )
        finally:
            storage.remove_session()
            storage.engine.dispose()


def over(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to an end by themselves, in their order; killed ones did not."""
    ended = study.get_trials(deepcopy=False, states=_OVER)
    return [t for t in ended if t.state != TrialState.FAIL or ERROR in t.user_attrs]


def killed(study: optuna.Study, params: Mapping[str, Any]) -> list[FrozenTrial]:
    """The trials with `params` that were killed."""
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return [t for t in failed if ERROR not in t.user_attrs and t.params == params]


def state(trial: FrozenTrial) -> State:
    """How a trial that is over ended."""
    if trial.state == TrialState.FAIL:
        return "diverged"
    return "complete" if trial.state == TrialState.COMPLETE else "pruned"


def value(trial: FrozenTrial) -> float | None:
    """What a complete trial reached; None for others, to which Optuna gives their last point."""
    return trial.value if trial.state == TrialState.COMPLETE else None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = filelock.FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        message = (
            f"Another search works in {folder}. Wait for its end, or end it, and run again: "
            "movie-recommender tune goes on where it was."
        )
        raise ConcurrentWriteError(message) from error
    try:
        yield
    finally:
        lock.release()
