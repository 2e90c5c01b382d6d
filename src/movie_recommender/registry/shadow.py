"""Which version ranks beside production without being shown."""

import logging

from movie_recommender.registry.client import SHADOW, Registry
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)


def set_shadow(settings: Settings, *, version: int | None) -> int | None:
    """Have `version` rank beside production, or nobody; returns who did before.

    Serving takes it up as it does a promotion, for SERVING_SHADOW_SHARE of its lists. A second call
    changes nothing.

    Args:
        settings: the process's settings.
        version: the version; None: nobody.

    Raises:
        RegistryError: there is no such version.
        NotReadyError: MLflow doesn't answer.
    """
    registry = Registry(settings)
    before = registry.by_alias(SHADOW)
    if version is not None:
        registry.set_alias(SHADOW, registry.get(version).version)
    elif before is not None:
        registry.delete_alias(SHADOW)
    logger.info("shadow name=%s version=%s", registry.name, version)
    return None if before is None else before.version
