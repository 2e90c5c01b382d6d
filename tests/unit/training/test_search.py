"""The search on a small world: resumed = straight, and what becomes of a trial that fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from movie_recommender.evaluation import protocol
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.contest import CHOSEN_BY, COLD, Trainings
from movie_recommender.training.search import Search
from movie_recommender.training.space import Space
from movie_recommender.training.study import opened, over, state, value
from tests.unit.worlds import END, checkerboard

CONFIG = TrainingConfig(dim=8, epochs=5, mlp_epochs=1, min_steps=4, threads=1)
SPACE: Space = {
    "learning_rate": FloatDistribution(0.001, 0.05, log=True),
    "dropout": FloatDistribution(0.0, 0.6),
    "epochs": IntDistribution(5, 7),
}


class KilledError(Exception):
    pass


class Killer(optuna.pruners.NopPruner):
    """Kills a trial at its third point."""

    def __init__(self, number: int) -> None:
        self.number = number

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        if trial.number == self.number and len(trial.intermediate_values) == 3:
            raise KilledError
        return False


class Pruner(optuna.pruners.NopPruner):
    """Gives up all trials but the first at their second point."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return trial.number > 0 and len(trial.intermediate_values) == 2


@pytest.fixture(scope="module")
def task() -> protocol.Task:
    frame, users, movies = checkerboard()
    window = protocol.Window(END.replace(day=19), END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=0)


@pytest.fixture
def search(task: protocol.Task, tmp_path: Path) -> Search:
    return Search(CONFIG, SPACE, task, tmp_path / "saves")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    with opened(tmp_path / "a", "study", restart=False) as found:
        yield found


def go_on(search: Search, study: optuna.Study, trials: int) -> list[FrozenTrial]:
    seen: list[FrozenTrial] = []
    search.go_on(study, trials=trials, timeout_s=None, on_trial=seen.append)
    return seen


def known(study: optuna.Study) -> list[tuple[dict[str, float], dict[int, float], float | None]]:
    return [(trial.params, trial.intermediate_values, value(trial)) for trial in over(study)]


def test_the_first_trial_has_the_constants_in_effect_and_is_judged_as_a_training_is(
    search: Search, study: optuna.Study, tmp_path: Path
) -> None:
    first, second = go_on(search, study, 2)
    assert search.constants(first) == {
        name: getattr(CONFIG, name) for name in ("learning_rate", "dropout", "epochs")
    }
    assert first.params != second.params
    trainings = Trainings(CONFIG, {COLD: None}, tmp_path / "own", lambda *_: None)
    assert first.value == trainings.compare(search.task).metrics[COLD][CHOSEN_BY]
    assert sorted(first.intermediate_values) == [1, 2, 3, 4, 5]
    assert list(search.saves.iterdir()) == []


def test_killed_in_a_trial_and_gone_on_with_is_the_same_search(
    search: Search,
    study: optuna.Study,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    straight = go_on(search, study, 4)
    assert len({tuple(trial.params.items()) for trial in straight}) == 4
    for killed in range(3):
        folder, study_of = tmp_path / f"killed{killed}", "study"
        with opened(folder, study_of, restart=False) as first:
            first.pruner = Killer(killed)
            with pytest.raises(KilledError):
                go_on(search, first, 4)
            assert len(over(first)) == killed
        caplog.clear()
        with caplog.at_level("INFO"), opened(folder, study_of, restart=False) as second:
            assert len(go_on(search, second, 4)) == 4 - killed
            assert known(second) == known(study)
        assert f"trial={killed} was killed and is done again" in caplog.text
        assert "resumed after epoch=" in caplog.text


def test_enough_trials_are_enough(search: Search, study: optuna.Study) -> None:
    assert len(go_on(search, study, 2)) == 2
    assert go_on(search, study, 2) == []
    assert [trial.number for trial in go_on(search, study, 3)] == [2]


def test_no_trial_begins_after_the_time(search: Search, study: optuna.Study) -> None:
    search.go_on(study, trials=2, timeout_s=0.0, on_trial=pytest.fail)
    assert over(study) == []


def test_a_trial_that_is_behind_is_given_up(search: Search, study: optuna.Study) -> None:
    study.pruner = Pruner()
    first, second = go_on(search, study, 2)
    assert (state(first), state(second)) == ("complete", "pruned")
    assert sorted(second.intermediate_values) == [1, 2]
    assert value(second) is None
    assert study.best_trial.number == first.number


def test_a_trial_that_diverges_is_told_and_not_tried_again(
    task: protocol.Task, study: optuna.Study, tmp_path: Path
) -> None:
    space = {"learning_rate": FloatDistribution(1e30, 1e31)}
    config = replace(CONFIG, learning_rate=1e30)
    (trial,) = go_on(Search(config, space, task, tmp_path / "saves"), study, 1)
    assert state(trial) == "diverged"
    assert value(trial) is None
    assert "Training diverged" in trial.user_attrs["error"]
    assert [trial.number for trial in over(study)] == [0]


def test_only_a_killed_trial_goes_on_from_its_checkpoint(
    search: Search, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = search.saves / "another trial"
    other.mkdir(parents=True)
    with opened(tmp_path / "a", "study", restart=False) as study:
        study.pruner = Killer(0)
        with pytest.raises(KilledError):
            go_on(search, study, 1)
    (kept,) = search.saves.iterdir()
    assert kept != other
    with (
        caplog.at_level("INFO"),
        opened(tmp_path / "a", "study", restart=True) as study,
    ):
        go_on(search, study, 1)
    assert "resumed after epoch=" not in caplog.text


def test_other_constants_in_effect_are_tried_next(search: Search, study: optuna.Study) -> None:
    go_on(search, study, 2)
    now = replace(search, config=replace(CONFIG, dropout=0.5))
    assert now.name("day") == search.name("day")
    (third,) = go_on(now, study, 3)
    assert now.constants(third)["dropout"] == 0.5
    (fourth,) = go_on(search, study, 4)
    assert fourth.params["dropout"] not in (0.25, 0.5)


def test_what_is_not_comparable_is_another_study(search: Search) -> None:
    name = search.name("day")
    assert replace(search, config=replace(CONFIG, threads=2)).name("day") == name
    assert search.name("another day") != name
    assert replace(search, config=replace(CONFIG, seed=1)).name("day") != name
    assert replace(search, space={"dropout": SPACE["dropout"]}).name("day") != name
