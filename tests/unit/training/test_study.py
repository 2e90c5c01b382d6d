"""The file of studies."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from movie_recommender.errors import ConcurrentWriteError
from movie_recommender.training.study import opened


def test_restart_forgets_one_study_and_no_other(tmp_path: Path) -> None:
    for name in "ab":
        with opened(tmp_path, name, restart=True) as study:
            study.tell(study.ask(), 1.0)
    with opened(tmp_path, "a", restart=True) as study:
        assert study.trials == []
    with opened(tmp_path, "b", restart=False) as study:
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path, "a", restart=False):
        with (
            pytest.raises(ConcurrentWriteError, match="Another search works in"),
            opened(tmp_path, "b", restart=False),
        ):
            pytest.fail("it was let in")
    with opened(tmp_path, "b", restart=False):
        pass
