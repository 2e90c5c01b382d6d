"""`tune`: a search for the training's constants on the validation window."""

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from movie_recommender import __version__
from movie_recommender.errors import InputDataError, NotReadyError, TrainingError
from movie_recommender.evaluation.run import frame_of
from movie_recommender.features import FeatureStore
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.contest import CHOSEN_BY
from movie_recommender.training.search import Search, State, opened, over, state, value
from movie_recommender.training.space import constants_of, environment, space_around
from movie_recommender.training.study_run import StudyRun
from movie_recommender.training.validation import Validation, validation_of

logger = logging.getLogger(__name__)

_TOP = 5


@dataclass(frozen=True)
class Tried:
    """A trial that is over.

    Attributes:
        number: in the study, from 0.
        state: a pruned one was behind the median of the others on the way; a diverged one's loss
            was not finite or exploded.
        value: `full_ndcg_at_10` on the validation window; None unless it is complete.
        constants: what it was trained with, beside those that aren't searched.
        seconds: for the training and the judgement.
    """

    number: int
    state: State
    value: float | None
    constants: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class TuneResult:
    """What a study knows.

    Attributes:
        study: its name in the file of studies.
        snapshot_id: of the feature store that it learns from.
        validated_from: where its window begins (ISO 8601).
        validated_until: where it ends, and the test window begins.
        metric: what is to be high.
        done: complete trials, of this call and of those before it.
        pruned: trials that were given up.
        failed: trials that diverged.
        best_value: the metric of the best trial.
        best_constants: its constants.
        default_value: the metric of the constants in effect; None if their trial was pruned or
            diverged.
        environment: variables to set for trainings with the best constants.
        top: the five best trials, the best first.
        run_id: of the study's MLflow run.
    """

    study: str
    snapshot_id: str
    validated_from: str
    validated_until: str
    metric: str
    done: int
    pruned: int
    failed: int
    best_value: float
    best_constants: dict[str, float]
    default_value: float | None
    environment: str
    top: tuple[Tried, ...]
    run_id: str


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
        ConfigurationError: TRAINING_CONSTANTS is wrong.
        ConcurrentWriteError: another search works beside the same store.
        NotReadyError: the store holds another day's snapshot, or MLflow doesn't answer.
        InputDataError: there is no positive interaction to learn from, or none to judge by.
        TrainingError: no trial came to its end.
    """
    folder = Path(settings.feature_store_path).parent / "tuning"
    config = TrainingConfig.of(settings)
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
            on_trial(_tried(search, trial))

        try:
            run.show()
            search.go_on(study, trials=trials, timeout_s=timeout_s, on_trial=tell)
            result = _result(settings, search, study, validation, snapshot_id, run.id)
            run.end(json.dumps(asdict(result), indent=2))
        except BaseException:
            with contextlib.suppress(NotReadyError):  # the first error is the one to see
                run.fail()
            raise
    logger.info("tuned %s", result)
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
    n_movies = task.dataset.movies.num_rows
    timed = task.dataset.times is not None
    space = space_around(config, n_movies=n_movies, timed=timed)
    return Search(config.within(n_movies), space, task, folder / "checkpoints")


def _result(
    settings: Settings,
    search: Search,
    study: optuna.Study,
    validation: Validation,
    snapshot_id: str,
    run_id: str,
) -> TuneResult:
    tried = [_tried(search, trial) for trial in over(study)]
    complete = [each for each in tried if each.value is not None]
    if not complete:
        message = (
            f"None of {len(tried)} trials came to its end on snapshot {snapshot_id}: nothing to "
            "choose from. Look at their runs in MLflow, and run again with more trials or time."
        )
        raise TrainingError(message)
    complete.sort(key=lambda each: each.value or 0.0, reverse=True)
    best = complete[0]
    now = constants_of(search.config, search.space)
    return TuneResult(
        study=study.study_name,
        snapshot_id=snapshot_id,
        validated_from=validation.window.start.isoformat(),
        validated_until=validation.window.end.isoformat(),
        metric=CHOSEN_BY,
        done=len(complete),
        pruned=_count(tried, "pruned"),
        failed=_count(tried, "diverged"),
        best_value=best.value or 0.0,
        best_constants=best.constants,
        default_value=next((each.value for each in complete if each.constants == now), None),
        environment=environment(settings, best.constants),
        top=tuple(complete[:_TOP]),
        run_id=run_id,
    )


def _tried(search: Search, trial: FrozenTrial) -> Tried:
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    constants = search.constants(trial)
    return Tried(trial.number, state(trial), value(trial), constants, round(seconds, 1))


def _count(tried: Sequence[Tried], ended: State) -> int:
    return sum(each.state == ended for each in tried)
