"""What `tune` hands back."""

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from movie_recommender.errors import TrainingError
from movie_recommender.settings import Settings
from movie_recommender.training.contest import CHOSEN_BY
from movie_recommender.training.search import Search
from movie_recommender.training.space import constants_of, environment
from movie_recommender.training.study import State, over, state, value
from movie_recommender.training.validation import Validation

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


def tried_of(search: Search, trial: FrozenTrial) -> Tried:
    """A trial of `search` that is over."""
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    constants = search.constants(trial)
    return Tried(trial.number, state(trial), value(trial), constants, round(seconds, 1))


def result_of(
    settings: Settings,
    search: Search,
    study: optuna.Study,
    validation: Validation,
    *,
    snapshot_id: str,
    run_id: str,
) -> TuneResult:
    """The result of all trials that are over; of equal ones the first is the best.

    Raises:
        TrainingError: none is complete.
    """
    tried = [tried_of(search, trial) for trial in over(study)]
    complete = [(each.value, each) for each in tried if each.value is not None]
    if not complete:
        message = (
            f"None of {len(tried)} trials came to its end on snapshot {snapshot_id}: nothing to "
            "choose from. Look at their runs in MLflow, and run again with more trials or time."
        )
        raise TrainingError(message)
    complete.sort(key=lambda pair: -pair[0])
    best_value, best = complete[0]
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
        best_value=best_value,
        best_constants=best.constants,
        default_value=next((at for at, each in complete if each.constants == now), None),
        environment=environment(settings, best.constants),
        top=tuple(each for _, each in complete[:_TOP]),
        run_id=run_id,
    )


def _count(tried: Sequence[Tried], ended: State) -> int:
    return sum(each.state == ended for each in tried)
