"""A study in MLflow: one run, and beneath it a run for each trial."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from movie_recommender.registry import Registry
from movie_recommender.registry.client import PARENT_RUN
from movie_recommender.training.contest import CHOSEN_BY
from movie_recommender.training.search import CURVE, Search
from movie_recommender.training.study import over, state, value

STUDY = "tuning_study"
TRIAL = "tuning_trial"

_RUN, _SHOWN = "mlflow_run", "shown_trials"


class StudyRun:
    """What the study knows and MLflow doesn't is told there, also what an earlier call left.

    Args:
        registry: the MLflow server.
        study: keeps the run's id and which trials are there.
        search: the study's.
        as_of: the time of every metric.
        tags: of the study's run, if it has to be made.

    Raises:
        NotReadyError: MLflow doesn't answer; so does every method.
    """

    def __init__(
        self,
        registry: Registry,
        study: optuna.Study,
        search: Search,
        *,
        as_of: datetime,
        tags: Mapping[str, str],
    ) -> None:
        self._registry = registry
        self._study = study
        self._search = search
        self._time_ms = int(as_of.timestamp() * 1000)
        name = study.study_name
        known = study.user_attrs.get(_RUN)
        if known is None or registry.find_run(STUDY, name) != known:
            study.set_user_attr(_SHOWN, [])
            known = registry.start_run(
                f"tune {as_of:%Y-%m-%d}",
                params=_params(search),
                tags={**tags, "as_of": as_of.isoformat(), STUDY: name},
            )
            study.set_user_attr(_RUN, known)
        self.id: str = known

    def show(self) -> None:
        """Tell of every trial that is over and was not told of."""
        for trial in over(self._study):
            shown = self._study.user_attrs[_SHOWN]
            if trial.number not in shown:
                self._show(trial)
                self._study.set_user_attr(_SHOWN, [*shown, trial.number])

    def end(self, text: str) -> None:
        """Keep the result with the run and mark it as finished."""
        self._registry.log_text(self.id, text, "tuning.json")
        self._registry.end_run(self.id)

    def fail(self) -> None:
        """Mark the run as failed, until a later call goes on with it."""
        self._registry.end_run(self.id, failed=True)

    def _show(self, trial: FrozenTrial) -> None:
        ended, reached = state(trial), value(trial)
        run_id = self._registry.start_run(
            f"trial {trial.number}",
            params=self._search.constants(trial),
            tags={
                PARENT_RUN: self.id,
                TRIAL: str(trial.number),
                "state": ended,
                **trial.user_attrs,
            },
        )
        for point, on_the_way in trial.intermediate_values.items():
            self._log(run_id, {CURVE: on_the_way}, point)
        if reached is not None:
            self._log(run_id, {CHOSEN_BY: reached}, len(trial.intermediate_values))
            self._log(self.id, {CHOSEN_BY: reached}, trial.number)
        self._registry.end_run(run_id, failed=ended == "diverged")

    def _log(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        self._registry.log_metrics(run_id, metrics, step=step, time_ms=self._time_ms)


def _params(search: Search) -> dict[str, Any]:
    """The constants in effect, and the range of those that are searched."""
    ranges = {f"space_{name}": str(range_) for name, range_ in search.space.items()}
    return asdict(search.config) | ranges
