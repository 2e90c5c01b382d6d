"""`tune`: a search for the training's constants on the validation window."""

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from optuna.trial import FrozenTrial

from movie_recommender import __version__
from movie_recommender.errors import InputDataError, NotReadyError
from movie_recommender.evaluation.run import frame_of
from movie_recommender.features import FeatureStore
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.search import Search
from movie_recommender.training.space import space_around
from movie_recommender.training.study import opened
from movie_recommender.training.study_run import StudyRun
from movie_recommender.training.trainer import check_device
from movie_recommender.training.tune_result import Tried, TuneResult, result_of, tried_of
from movie_recommender.training.validation import Validation, validation_of

logger = logging.getLogger(__name__)


def tune(
    settings: Settings,
    *,
    as_of: datetime,
    trials: int,
    timeout_s: float | None = None,
    restart: bool = False,
    on_trial: Callable[[Tried], None] = lambda _: None,
) -> TuneResult:
    """Try constants until `trials` were tried; the constants in effect are among them.

    Reads the feature store. Commits each trial to `tuning/studies.db` beside it, then to MLflow. A
    second call goes on where the first one stopped or was killed, and draws what that one would
    have drawn; with as many trials as there are it gives the same result again. Production and
    candidates stay as they are, and nobody looks into the test window.

    Args:
        settings: the process's settings.
        as_of: the instant of the feature store's snapshot.
        trials: how many the study of this snapshot shall have.
        timeout_s: no trial is begun after so many seconds.
        restart: forget what the study knows.
        on_trial: is called after each trial.

    Raises:
        ConfigurationError: TRAINING_CONSTANTS is wrong, or there is no TRAINING_DEVICE.
        ConcurrentWriteError: another search works beside the same store.
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        InputDataError: there is no positive interaction to learn from, or none to judge by.
        TrainingError: no trial came to its end.
    """
    folder = Path(settings.feature_store_path).parent / "tuning"
    config = TrainingConfig.of(settings)
    check_device(config)
    with FeatureStore.open(settings.feature_store_path) as store:
        validation = validation_of(settings, store, frame_of(store, as_of), as_of)
        snapshot_id = store.snapshot.id
    search = _search(config, validation, folder)
    name = search.name(f"{snapshot_id} {validation.window.start:%Y-%m-%d}")
    logger.info("tune study=%r trials=%s constants=%s", name, trials, sorted(search.space))
    with opened(folder, name, restart=restart) as study:
        run = StudyRun(
            Registry(settings),
            study,
            search,
            as_of=as_of,
            tags={"snapshot_id": snapshot_id, "code_version": __version__},
        )

        def tell(trial: FrozenTrial) -> None:
            run.show()
            on_trial(tried_of(search, trial))

        try:
            run.show()
            search.go_on(study, trials=trials, timeout_s=timeout_s, on_trial=tell)
            result = result_of(
                settings, search, study, validation, snapshot_id=snapshot_id, run_id=run.id
            )
            run.end(json.dumps(asdict(result), indent=2))
        except BaseException:
            with contextlib.suppress(NotReadyError):  # the first error is the one to see
                run.fail()
            raise
    logger.info(
        "tuned study=%r done=%s pruned=%s failed=%s best=%.4f default=%s",
        name, result.done, result.pruned, result.failed, result.best_value, result.default_value,
    )  # fmt: skip
    return result


def _search(config: TrainingConfig, validation: Validation, folder: Path) -> Search:
    task = validation.task
    if len(task.user) == 0:
        message = (
            f"No positive interaction from {validation.window.start.isoformat()} to "
            f"{validation.window.end.isoformat()} to judge by. Extract more events, or lengthen "
            "EVALUATION_WINDOW_DAYS."
        )
        raise InputDataError(message)
    config = config.within(task.dataset.positives)
    n_movies, timed = task.dataset.movies.num_rows, task.dataset.times is not None
    space = space_around(config, n_movies=n_movies, timed=timed)
    return Search(config, space, task, folder / "checkpoints")
