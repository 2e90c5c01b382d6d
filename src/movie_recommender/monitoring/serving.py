"""Serving: whether it is ready, with which version, and what it misses meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from movie_recommender.errors import NotReadyError
from movie_recommender.settings import Settings

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class ServingFacts:
    """What `/ready` says of the process that answered.

    Attributes:
        ready: lists are answered.
        version: of the model; None without one.
        worker_versions: of every worker, None while one has none yet.
        snapshot_id: whose contacts it knows.
        degraded: what is gone meanwhile, a sentence each.
    """

    ready: bool
    version: int | None
    worker_versions: Sequence[int | None]
    snapshot_id: str | None
    degraded: Sequence[str]


def read(settings: Settings) -> ServingFacts | None:
    """Ask SERVING_URL; None where it is empty.

    Raises:
        NotReadyError: nobody answers there, or another program does.
    """
    if not settings.serving_url:
        return None
    try:
        found = httpx.get(f"{settings.serving_url}/ready", timeout=TIMEOUT_S).json()
        return ServingFacts(
            ready=bool(found["ready"]),
            version=None if found["model"] is None else int(found["model"]["version"]),
            worker_versions=[worker["version"] for worker in found["workers"]],
            snapshot_id=found["store"]["snapshot_id"],
            degraded=[str(text) for text in found["degraded"]],
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        message = (
            f"SERVING_URL={settings.serving_url} doesn't answer /ready: {error!r:.200}. Start it "
            "(`movie-recommender serve`) or correct the variable."
        )
        raise NotReadyError(message) from error
