"""Which version is in production: promote, and the way back."""

import logging
from dataclasses import dataclass

from movie_recommender.errors import RegistryError
from movie_recommender.registry.client import (
    PREVIOUS,
    PRODUCTION,
    ROLLED_BACK,
    ModelVersion,
    Registry,
)
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PromoteResult:
    """What is in production now, what was before, and whether this call changed it."""

    name: str
    version: int
    previous: int | None
    changed: bool


def promote(settings: Settings, *, version: int) -> PromoteResult:
    """Put `version` into production and keep the one before as `previous`.

    Promoting what is in production changes nothing. `previous` moves first: a kill between the
    two leaves production as it was, and a repeated call ends in the same state.

    Raises:
        RegistryError: there is no such version.
        NotReadyError: MLflow doesn't answer.
    """
    registry = Registry(settings)
    chosen = registry.get(version)
    current = registry.by_alias(PRODUCTION)
    if current is not None and current.version == version:
        previous = registry.by_alias(PREVIOUS)
        return PromoteResult(registry.name, version, _number(previous), changed=False)
    if current is not None:
        registry.set_alias(PREVIOUS, current.version)
    registry.set_alias(PRODUCTION, version)
    if ROLLED_BACK in chosen.tags:
        registry.delete_tag(version, ROLLED_BACK)
    result = PromoteResult(registry.name, version, _number(current), changed=True)
    logger.info("promoted name=%s version=%s previous=%s", result.name, version, result.previous)
    return result


def rollback(settings: Settings) -> PromoteResult:
    """Put `previous` back into production.

    The version taken back is tagged first, so that no later run proposes it again. A second call
    has nothing to go back to and says so.

    Raises:
        RegistryError: there is no production model, or no previous one.
        NotReadyError: MLflow doesn't answer.
    """
    registry = Registry(settings)
    current = registry.by_alias(PRODUCTION)
    previous = registry.by_alias(PREVIOUS)
    if current is None or previous is None or previous.version == current.version:
        message = (
            f"Model {registry.name!r} at {registry.url} has no earlier production version to go "
            f"back to (production: {_number(current)}, previous: "
            f"{_number(previous)}). Choose one of `movie-recommender models` and run: "
            "movie-recommender promote VERSION"
        )
        raise RegistryError(message)
    registry.set_tag(current.version, ROLLED_BACK, "true")
    registry.set_alias(PRODUCTION, previous.version)
    result = PromoteResult(registry.name, previous.version, current.version, changed=True)
    logger.info(
        "rolled back name=%s version=%s from=%s", result.name, result.version, result.previous
    )
    return result


def _number(version: ModelVersion | None) -> int | None:
    return None if version is None else version.version
