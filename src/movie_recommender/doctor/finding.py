"""What a check is told and what it says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from movie_recommender.orchestration.outside import Airflow
from movie_recommender.settings import Settings

Status = Literal["ok", "warn", "fail"]

PATIENCE_S = 5
"""Longest wait of a check for one answer of a server."""


@dataclass(frozen=True)
class Finding:
    """What one check saw of one thing.

    Attributes:
        about: the thing.
        status: fail: a run can't succeed; warn: something won't work or isn't there yet.
        seen: what was found, in a sentence without its full stop.
        remedy: what to do about it; empty where nothing is to be done.
    """

    about: str
    status: Status
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class Case:
    """What is examined.

    Attributes:
        settings: in effect, a wrong value having given way to its default.
        wrong: what is wrong with the settings; None: nothing.
        airflow: what Airflow's database says.
        clock: this machine's.
    """

    settings: Settings
    clock: Callable[[], datetime]
    wrong: str | None = None
    airflow: Airflow = field(default_factory=Airflow)

    @property
    def hurried(self) -> Settings:
        """The settings with waits short enough for a look."""
        times = ("kafka_timeout_s", "mlflow_timeout_s", "serving_timeout_s")
        return self.settings.model_copy(
            update={name: min(getattr(self.settings, name), PATIENCE_S) for name in times}
        )


Check = Callable[[Case], Sequence[Finding]]
"""Looks at one concern; may raise, which is a finding as well."""


def refused(about: str, error: Exception) -> Finding:
    """An error of this package as a finding: its last sentence is the remedy."""
    text = " ".join(str(error).split())
    seen, _, remedy = text.rpartition(". ")
    return Finding(about, "fail", seen, remedy) if seen else Finding(about, "fail", text)
