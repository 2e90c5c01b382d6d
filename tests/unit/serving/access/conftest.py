"""Keys of every kind, and requests that show them."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from movie_recommender.serving.access import Door
from movie_recommender.serving.problems import Problem
from movie_recommender.settings import load_settings

READ, FEEDBACK, ADMIN = "reads-and-nothing-else", "likes-and-reads-too", "may-do-everything"
SECRET = "a-secret-that-two-servers-share-and-nobody-else"
CLAIMS = {"sub": "app", "iss": "https://issuer", "aud": "movies", "scope": "openid read feedback"}


@pytest.fixture
def clock() -> list[float]:
    """Seconds that a test may move on."""
    return [time.time()]


@pytest.fixture
def door_of(clock: list[float]) -> Callable[..., Door]:
    """A door by settings."""

    def door(**settings: Any) -> Door:
        return Door(
            load_settings(**settings), clock=lambda: datetime.fromtimestamp(clock[0], tz=UTC)
        )

    return door


@pytest.fixture
def guarded(door_of: Callable[..., Door]) -> Door:
    keys = f"reader:read:{READ} app:read+feedback:{FEEDBACK} ops:admin:{ADMIN}"
    return door_of(serving_api_keys=keys)


def request(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """A request as ASGI has it; `_` in a header's name stands for `-`."""
    lines = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"method": method, "path": path, "headers": lines, "client": ("192.0.2.7", 40_000)}


def status(door: Door, path: str, method: str = "GET", **headers: str) -> int:
    """200 for a request that is let in, else why not."""
    try:
        door.admit(request(path, method, **headers))
    except Problem as problem:
        return problem.status
    return 200


def signed(secret: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token of an hour."""
    kid: Mapping[str, Any] = {"kid": claims.pop("kid")} if "kid" in claims else {}
    found = {**CLAIMS, "exp": int(time.time()) + 3600, **claims}
    found = {name: value for name, value in found.items() if value is not None}
    return jwt.encode(found, secret, algorithm=algorithm, headers=dict(kid))
