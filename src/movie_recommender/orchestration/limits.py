"""The SLAs as they are set at the moment, for who looks again and again."""

import logging
from collections.abc import Callable, Mapping

from movie_recommender.orchestration import variables
from movie_recommender.orchestration.sla import Slas, slas

logger = logging.getLogger(__name__)


class CurrentSlas:
    """Calling it gives the SLAs of the environment, of Airflow's Variables, or by default.

    What is wrong with a setting is logged when it changes; the tasks fail by it.

    Args:
        read: gives the Variables whose names begin with a prefix.
    """

    def __init__(self, read: Callable[[str], Mapping[str, str | None]]) -> None:
        self._read = read
        self._told: list[str] = []

    def __call__(self) -> Slas:
        """The SLAs now."""
        found = self._read(variables.PREFIX)
        current = slas(variables.layer(found))
        wrong = [*variables.problems(found), *filter(None, [current.wrong])]
        if wrong != self._told:
            logger.warning("settings that are wrong: %s", "; ".join(wrong) or "none any more")
            self._told = wrong
        return current
