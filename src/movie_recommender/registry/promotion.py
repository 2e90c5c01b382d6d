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


def promote(settings: Settings, *, version: int, by_hand: bool = False) -> PromoteResult:
    """Put `version` into production and keep the one before as `previous`.

    Promoting what is in production changes nothing. The alias `production` moves last: a kill
    before it leaves production as it was, and a repeated call ends in the same state. Going back
    to an older version is a rollback, too: the newer one is tagged, so that no run proposes it.

    Args:
        settings: the process's settings.
        version: the version.
        by_hand: an operator asks, who may also bring back what was rolled back.

    Raises:
        RegistryError: there is no such version, or it was rolled back and no operator asks.
        NotReadyError: MLflow doesn't answer.
    """
    registry = Registry(settings)
    if ROLLED_BACK in registry.get(version).tags:
        if not by_hand:
            message = (
                f"Version {version} of model {registry.name!r} was rolled back; no run brings it "
                f"back. If you want it: movie-recommender promote {version}"
            )
            raise RegistryError(message)
        registry.delete_tag(version, ROLLED_BACK)
    current = registry.by_alias(PRODUCTION)
    if current is not None and current.version == version:
        previous = registry.by_alias(PREVIOUS)
        return PromoteResult(registry.name, version, _number(previous), changed=False)
    if current is not None:
        if version < current.version:
            registry.set_tag(current.version, ROLLED_BACK, "true")
        registry.set_alias(PREVIOUS, current.version)
    registry.set_alias(PRODUCTION, version)
    result = PromoteResult(registry.name, version, _number(current), changed=True)
    logger.info("promoted name=%s version=%s previous=%s", result.name, version, result.previous)
    return result


def snapshot_in_production(settings: Settings) -> str | None:
    """Id of the feature snapshot that the production model learned from; None: no such model.

    Raises:
        NotReadyError: MLflow doesn't answer.
    """
    current = Registry(settings).by_alias(PRODUCTION)
    return None if current is None else current.tags.get("snapshot_id")


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
