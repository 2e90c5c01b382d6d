"""Who asks, and what a request shows of it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from movie_recommender.serving.access.rules import SCOPES, ScopeName

SESSION_COOKIE = "movie_recommender_session"

_SESSION = SESSION_COOKIE.encode() + b"="
_BEARER = b"bearer "
_KEY_HEADERS = (b"x-api-key", b"x-admin-key")


@dataclass(frozen=True)
class Caller:
    """Somebody known.

    Attributes:
        id: a name, no secret.
        scopes: what he may do.
        expires: seconds since 1970; None: when the configuration changes.
    """

    id: str
    scopes: frozenset[ScopeName]
    expires: float | None = None


@dataclass(frozen=True)
class Shown:
    """What a request shows: a key or a token in a header, a session in a cookie; empty: none."""

    key: bytes = b""
    session: bytes = b""


def with_scopes(names: Iterable[str]) -> frozenset[ScopeName]:
    """The scopes among `names`; admin holds all."""
    found = frozenset(scope for scope in SCOPES if scope in names)
    return frozenset(SCOPES) if "admin" in found else found


def digest(secret: bytes) -> bytes:
    """What is kept of a key or a token: (32,) bytes of SHA-256."""
    return hashlib.sha256(secret).digest()


def shown_by(headers: Iterable[tuple[bytes, bytes]]) -> Shown:
    """What a request's headers show; of several keys the first.

    Args:
        headers: names in lower case, as ASGI has them.
    """
    key = session = b""
    for name, value in headers:
        if not key and name in _KEY_HEADERS:
            key = value
        elif not key and name == b"authorization" and value[:7].lower() == _BEARER:
            key = value[7:].strip()
        elif name == b"cookie" and _SESSION in value:
            session = _session_of(value)
    return Shown(key, session)


def _session_of(cookies: bytes) -> bytes:
    parts = [part.strip() for part in cookies.split(b";")]
    found = [part.removeprefix(_SESSION) for part in parts if part.startswith(_SESSION)]
    return found[0] if found else b""
