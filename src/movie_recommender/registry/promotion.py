"""Which version is in production: promote, and the way back."""

import json
import logging
from contextlib import closing
from dataclasses import asdict, dataclass

from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.registry.client import (
    PREVIOUS,
    PRODUCTION,
    ROLLED_BACK,
    ModelVersion,
    Registry,
)
from movie_recommender.registry.smoke import Serving
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

UNCONFIRMED = "unconfirmed"
"""Tag of a version that was put into production and that serving hasn't confirmed yet; its value
says what was before, so that whoever finds it after a kill knows the way back."""

PROMOTE_ONLY = "not asked: SERVING_URL is empty"


@dataclass(frozen=True)
class PromoteResult:
    """What is in production now, what was before, and whether this call changed it.

    `serving` says who has confirmed that it answers with it.
    """

    name: str
    version: int
    previous: int | None
    changed: bool
    serving: str = PROMOTE_ONLY


@dataclass(frozen=True)
class _Before:
    """The registry as it was before a version was put into production."""

    production: int | None
    previous: int | None
    was_rolled_back: bool


def promote(settings: Settings, *, version: int, by_hand: bool = False) -> PromoteResult:
    """Put `version` into production and keep the one before as `previous`.

    Promoting what is in production changes nothing. The alias `production` moves last: a kill
    before it leaves production as it was, and a repeated call ends in the same state. Going back
    to an older version is a rollback, too: the newer one is tagged, so that no run proposes it.

    With SERVING_URL, it then waits until every worker there answers with the version, and looks at
    its lists; else everything is put back as it was. A call after a kill does that, too.

    Args:
        settings: the process's settings.
        version: the version.
        by_hand: an operator asks, who may also bring back what was rolled back.

    Raises:
        RegistryError: there is no such version; it was rolled back and no operator asks; or
            serving can't load it or answers wrongly, and production is what it was.
        NotReadyError: MLflow doesn't answer; or serving doesn't, and production is what it was.
    """
    registry = Registry(settings)
    wanted = registry.get(version)
    if ROLLED_BACK in wanted.tags and not by_hand:
        message = (
            f"Version {version} of model {registry.name!r} was rolled back; no run brings it "
            f"back. If you want it: movie-recommender promote {version}"
        )
        raise RegistryError(message)
    current = registry.by_alias(PRODUCTION)
    changed = current is None or current.version != version
    if changed:
        _put(registry, wanted, current)
    elif ROLLED_BACK in wanted.tags:
        registry.delete_tag(version, ROLLED_BACK)
    serving = _confirmed(settings, registry, version)
    previous = _number(registry.by_alias(PREVIOUS))
    result = PromoteResult(registry.name, version, previous, changed, serving)
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
    has nothing to go back to and says so. Serving confirms it as in `promote`.

    Raises:
        RegistryError: there is no production model, or no previous one; or serving can't load the
            previous one or answers wrongly, and production is what it was.
        NotReadyError: MLflow doesn't answer; or serving doesn't, and production is what it was.
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
    _note_way_back(registry, previous, current.version)
    registry.set_tag(current.version, ROLLED_BACK, "true")
    registry.set_alias(PRODUCTION, previous.version)
    serving = _confirmed(settings, registry, previous.version)
    result = PromoteResult(
        registry.name, previous.version, current.version, changed=True, serving=serving
    )
    logger.info(
        "rolled back name=%s version=%s from=%s", result.name, result.version, result.previous
    )
    return result


def _put(registry: Registry, wanted: ModelVersion, current: ModelVersion | None) -> None:
    _note_way_back(registry, wanted, _number(current))
    if ROLLED_BACK in wanted.tags:
        registry.delete_tag(wanted.version, ROLLED_BACK)
    if current is not None:
        if wanted.version < current.version:
            registry.set_tag(current.version, ROLLED_BACK, "true")
        registry.set_alias(PREVIOUS, current.version)
    registry.set_alias(PRODUCTION, wanted.version)


def _note_way_back(registry: Registry, wanted: ModelVersion, production: int | None) -> None:
    """Before anything moves; what an earlier, killed call for the same move has noted stays."""
    noted = wanted.tags.get(UNCONFIRMED)
    if noted is not None and json.loads(noted)["production"] == production:
        return
    previous = _number(registry.by_alias(PREVIOUS))
    before = _Before(production, previous, ROLLED_BACK in wanted.tags)
    registry.set_tag(wanted.version, UNCONFIRMED, json.dumps(asdict(before)))


def _confirmed(settings: Settings, registry: Registry, version: int) -> str:
    """Who has confirmed the version; without anybody's confirmation the way back is taken."""
    noted = registry.get(version).tags.get(UNCONFIRMED)
    if settings.serving_url:
        try:
            serving = Serving(
                settings.serving_url,
                timeout_s=settings.serving_timeout_s,
                key=settings.serving_client_key,
            )
            with closing(serving):
                serving.confirm(version)
        except (NotReadyError, RegistryError) as error:
            if noted is None:  # it was confirmed once: nothing of this call to take back
                raise
            before = _Before(**json.loads(noted))
            _go_back(registry, version, before)
            message = f"{error} Production is {_named(before.production)} again."
            raise type(error)(message) from error
    if noted is not None:
        registry.delete_tag(version, UNCONFIRMED)
    return f"{settings.serving_url} answers with it" if settings.serving_url else PROMOTE_ONLY


def _go_back(registry: Registry, version: int, before: _Before) -> None:
    """The aliases and tags as they were; `production` first, the note of it last."""
    logger.warning("version=%s isn't confirmed: back to %s", version, before)
    for alias, was in ((PRODUCTION, before.production), (PREVIOUS, before.previous)):
        if was is not None:
            registry.set_alias(alias, was)
        elif registry.by_alias(alias) is not None:
            registry.delete_alias(alias)
    if before.production is not None:
        if ROLLED_BACK in registry.get(before.production).tags:
            registry.delete_tag(before.production, ROLLED_BACK)
    if before.was_rolled_back:
        registry.set_tag(version, ROLLED_BACK, "true")
    registry.delete_tag(version, UNCONFIRMED)


def _named(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _number(version: ModelVersion | None) -> int | None:
    return None if version is None else version.version
