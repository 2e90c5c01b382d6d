"""Taking production back from the page: the same command that an operator runs by hand.

A process of its own, because serving holds neither MLflow's client nor the registry's code; it has
this process's environment and so its settings.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence

from movie_recommender.serving.problems import Problem
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "movie_recommender.cli", "rollback")
SPARE_S = 60.0
"""For its start and its words with MLflow, beside SERVING_TIMEOUT_S."""

_ERROR = "error: "
_LOGGED = 4000


async def roll_back(settings: Settings, command: Sequence[str] = COMMAND) -> None:
    """Put the previous version back; returns when serving has confirmed it, if it is asked.

    Args:
        settings: how long serving's confirmation may take.
        command: what to run.

    Raises:
        Problem: it failed, and says why; or it took too long, and was ended.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    limit_s = settings.serving_timeout_s + SPARE_S
    try:
        _, said = await asyncio.wait_for(process.communicate(), limit_s)
    except TimeoutError:
        message = f"it took more than {limit_s:.0f} seconds and was ended."
        raise _failed(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise _failed(_why(said.decode(errors="replace")))


def _why(said: str) -> str:
    """What the command says of its own; anything else is for the log, not for a page."""
    found = [line for line in said.splitlines() if line.startswith(_ERROR)]
    if found:
        return found[-1].removeprefix(_ERROR)
    logger.error("rollback failed: %s", said[-_LOGGED:])
    return "the server's log says why."


def _failed(why: str) -> Problem:
    return Problem(
        409,
        f"The rollback didn't happen: {why}",
        where="rollback",
        remedy="Run it where you see more: movie-recommender rollback. After a kill the same "
        "call goes on.",
    )
