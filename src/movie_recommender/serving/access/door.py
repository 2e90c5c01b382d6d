"""The door: lets a request in, or says why not."""

import math
import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from movie_recommender.serving.access.callers import Caller, digest, shown_by
from movie_recommender.serving.access.keys import admin_keys, read_keys
from movie_recommender.serving.access.limits import Limiter, network_of
from movie_recommender.serving.access.refusals import (
    SignInNeeded,
    closed,
    lacking,
    too_often,
    wrong_key,
)
from movie_recommender.serving.access.remembered import Remembered
from movie_recommender.serving.access.rules import (
    METRICS,
    UNLIMITED,
    ScopeName,
    needed_scope,
    takes_cookie,
)
from movie_recommender.settings import Settings

if TYPE_CHECKING:
    from movie_recommender.serving.access.sessions import Sessions

SIGNED_IN = "signed_in"
"""Entry of a request's scope: a session has let it in."""


class Door:
    """Who may ask for what, in one worker. Made before the workers are, which share its secret.

    Args:
        settings: keys, tokens, limits.
        clock: tells the time.

    Raises:
        ConfigurationError: one of them is wrong.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        named = read_keys(settings)
        self._keys = named | admin_keys(settings)
        self._tokens = _tokens(settings, clock)
        self.is_guarded = bool(named) or self._tokens is not None
        """Whether reading needs a key, too."""
        self._sessions = _sessions(settings, self._keys) if self.is_guarded else None
        self._begun = Remembered(self._sessions.caller, clock=clock) if self._sessions else None
        self._clock = clock
        self._metrics_open = not settings.serving_metrics_guarded
        may = {scope for caller in self._keys.values() for scope in caller.scopes}
        self.has_admin = "admin" in may or self._tokens is not None
        """Whether anybody may administrate."""
        self._limiter: Limiter | None = None
        if settings.serving_rate_limit > 0:
            self._limiter = Limiter(
                rate=settings.serving_rate_limit,
                burst=settings.serving_rate_burst,
                clock=time.monotonic,
            )

    @property
    def is_limited(self) -> bool:
        """Whether it counts how often somebody asks: by key, else by address."""
        return self._limiter is not None

    def admit(self, scope: MutableMapping[str, Any]) -> None:
        """Let a request in.

        Args:
            scope: of ASGI; is told whether a session let it in.

        Raises:
            Problem: 401, 403 or 429.
        """
        path = scope["path"]
        needed = self.needs(path)
        caller = None if needed is None else self._caller(scope)
        if self._limiter is not None and path not in UNLIMITED:
            self._take_token(self._limiter, scope, caller)
        if needed is not None:
            self._check(needed, caller)

    def needs(self, path: str) -> ScopeName | None:
        """The scope that is asked for at `path`, as things are configured."""
        needed = needed_scope(path)
        if path == METRICS and self._metrics_open:
            return None
        return needed if self.is_guarded or needed == "admin" else None

    def check_admin(self, key: str | None) -> None:
        """Let whoever typed in an administrator's key go on.

        Raises:
            Problem: the key is wrong, or there is none: then nobody passes.
        """
        caller = None if key is None else self._by_key(key.encode())
        if caller is None and self.has_admin:
            raise wrong_key()
        self._check("admin", caller)

    def sign_in(self, key: str) -> tuple[str, int] | None:
        """A session for whoever has the key or the token, and its seconds; None: nobody has."""
        shown, now = key.strip().encode(), self._clock()
        caller = self._by_key(shown)
        if caller is None or self._sessions is None:
            return None
        session, expires = self._sessions.begin(digest(shown), caller, now=now)
        return session, int(expires - now.timestamp())

    def _caller(self, scope: MutableMapping[str, Any]) -> Caller | None:
        shown = shown_by(scope["headers"])
        if shown.key:
            return self._by_key(shown.key)
        if self._begun is None or not shown.session:
            return None
        if not takes_cookie(scope["method"], scope["path"]):
            return None
        caller = self._begun.caller(shown.session)
        scope[SIGNED_IN] = caller is not None
        return caller

    def _by_key(self, key: bytes) -> Caller | None:
        caller = self._keys.get(digest(key))
        if caller is None and self._tokens is not None:
            return self._tokens.caller(key)
        return caller

    def _take_token(
        self, limiter: Limiter, scope: Mapping[str, Any], caller: Caller | None
    ) -> None:
        client = scope.get("client")
        who = f"address {network_of(client[0]) if client else ''}"
        wait_s = limiter.wait_s(who if caller is None else f"caller {caller.id}")
        if wait_s > 0:
            raise too_often(math.ceil(wait_s))

    def _check(self, needed: ScopeName, caller: Caller | None) -> None:
        if needed == "admin" and not self.has_admin:
            raise closed()
        if caller is None:
            raise SignInNeeded(needed)
        if needed not in caller.scopes:
            raise lacking(needed, caller)


# Imported where somebody uses them: what they need takes memory of each worker.
def _tokens(settings: Settings, clock: Callable[[], datetime]) -> Remembered | None:
    if settings.serving_jwt_secret is None and settings.serving_jwt_jwks_file is None:
        return None
    from movie_recommender.serving.access.tokens import tokens_of

    return Remembered(tokens_of(settings).caller, clock=clock)


def _sessions(settings: Settings, keys: Mapping[bytes, Caller]) -> "Sessions":
    from movie_recommender.serving.access.sessions import Sessions

    given = settings.serving_session_secret
    secret = secrets.token_bytes(32) if given is None else given.get_secret_value().encode()
    return Sessions(secret, keys)
