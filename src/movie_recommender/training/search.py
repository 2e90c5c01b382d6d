"""The search for constants: the trial that comes next."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from movie_recommender import __version__
from movie_recommender.errors import TrainingError
from movie_recommender.evaluation import protocol
from movie_recommender.training.config import ROUNDING, TrainingConfig
from movie_recommender.training.contest import CHOSEN_BY, COLD, POINTS, Trainings
from movie_recommender.training.space import Space, config_of, constants_of
from movie_recommender.training.study import ERROR, killed, over

logger = logging.getLogger(__name__)

CURVE = f"validation_{CHOSEN_BY}"
"""Metric of a trial's learning curve, which the pruning looks at."""

_SEED = 20170831


@dataclass(frozen=True)
class Search:
    """What a study's trials have in common.

    Attributes:
        config: constants in effect, which are tried too.
        space: where the others are looked for.
        task: what a trial learns from and is judged on.
        saves: folder for the trainings' checkpoints and nothing else.
    """

    config: TrainingConfig
    space: Space
    task: protocol.Task
    saves: Path

    def name(self, about: str) -> str:
        """`about` and a digest of all that makes two trials comparable."""
        ranges = {name: distribution_to_json(range_) for name, range_ in self.space.items()}
        fixed = {
            name: constant
            for name, constant in asdict(self.config).items()
            if name not in self.space and name not in ROUNDING
        }
        return f"{about} {_digest([ranges, fixed, __version__])}"

    def go_on(
        self,
        study: optuna.Study,
        *,
        trials: int,
        timeout_s: float | None,
        on_trial: Callable[[FrozenTrial], None],
    ) -> None:
        """Try until `trials` of the study are over, whoever made them.

        What is tried next depends on the trials that are over and on nothing else: a study that was
        killed and gone on with draws what it would have drawn. The trial that was killed goes on
        from its checkpoint.

        Args:
            study: its trials are of this search.
            trials: how many there shall be, not counting those that were killed.
            timeout_s: none is begun after so many seconds; None: all are.
            on_trial: is called after each one.
        """
        started = time.monotonic()
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
            logger.info("trial=%s was killed and is done again", trial.number)
        self._enqueue_current(study)
        while len(over(study)) < trials:
            if timeout_s is not None and time.monotonic() - started >= timeout_s:
                return
            on_trial(self._try(study))

    def constants(self, trial: FrozenTrial) -> dict[str, float]:
        """What `trial` was trained with, of those that are searched."""
        return constants_of(config_of(self.config, trial.params), self.space)

    def _enqueue_current(self, study: optuna.Study) -> None:
        """The constants in effect come next, unless they were tried."""
        now = constants_of(self.config, self.space)
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        fixed = [trial.system_attrs.get("fixed_params") for trial in waiting]
        if now not in [*fixed, *(trial.params for trial in over(study))]:
            study.enqueue_trial(now)

    def _only_checkpoint(self, study: optuna.Study, config: TrainingConfig, *, stays: bool) -> Path:
        """The folder for a trial's checkpoint; what other trials left behind is deleted."""
        own = self.saves / _digest([study.study_name, asdict(config)])
        for found in self.saves.glob("*"):
            if found != own or not stays:
                shutil.rmtree(found)
        return own

    def _try(self, study: optuna.Study) -> FrozenTrial:
        study.sampler = optuna.samplers.TPESampler(seed=_SEED + len(over(study)))
        trial = study.ask(dict(self.space))
        config = config_of(self.config, trial.params)
        before = killed(study, trial.params)
        saves = self._only_checkpoint(study, config, stays=bool(before))
        # A training that goes on isn't judged any more at epochs before its checkpoint.
        for each in before:
            for point, at in each.intermediate_values.items():
                trial.report(at, step=point)

        def log(metrics: Mapping[str, float], epoch: int) -> None:
            if CURVE in metrics:
                trial.report(metrics[CURVE], step=round(POINTS * epoch / config.epochs))
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            contest = Trainings(config, {COLD: None}, saves, log).compare(self.task)
        except optuna.TrialPruned:
            told = study.tell(trial, state=TrialState.PRUNED)
        except TrainingError as error:
            trial.set_user_attr(ERROR, str(error))
            told = study.tell(trial, state=TrialState.FAIL)
        else:
            told = study.tell(trial, contest.metrics[COLD][CHOSEN_BY])
        shutil.rmtree(saves, ignore_errors=True)
        return told


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
