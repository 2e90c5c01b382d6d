"""What the routes of a worker share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from movie_recommender.serving.access import Door
from movie_recommender.serving.cache import CacheFolder
from movie_recommender.serving.claims import Claims
from movie_recommender.serving.delivery import Delivery
from movie_recommender.serving.impressions import Impressions
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
    door: Door
    claims: Claims
    shadow: Shadow | None = None
