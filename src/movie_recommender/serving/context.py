"""What the routes of a worker share."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from movie_recommender.serving.cache import CacheFolder
from movie_recommender.serving.delivery import Delivery
from movie_recommender.serving.impressions import Impressions
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.service import Service
from movie_recommender.serving.shadow import Shadow
from movie_recommender.settings import Settings

Watch = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Context:
    """A worker's parts."""

    settings: Settings
    folder: CacheFolder
    service: Service
    delivery: Delivery
    impressions: Impressions
    shadow: Shadow | None = None

    def check_admin(self, key: str | None) -> None:
        """Let an administrator pass.

        Raises:
            Problem: the key is wrong, or none is configured: then nobody passes.
        """
        expected = self.settings.serving_admin_key
        if expected is None:
            raise Problem(
                403,
                "Administration is closed: the server has no key for it.",
                where="SERVING_ADMIN_KEY",
                remedy="Set SERVING_ADMIN_KEY and start the server again.",
            )
        right = expected.get_secret_value().encode()
        if key is None or not secrets.compare_digest(key.encode(), right):
            raise Problem(
                401,
                "The admin key is missing or wrong.",
                where="header X-Admin-Key",
                remedy="Send the key that SERVING_ADMIN_KEY holds.",
            )
