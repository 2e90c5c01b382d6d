"""JSON web tokens of another server's: who signed, for whom, until when, which scopes."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from movie_recommender.errors import ConfigurationError
from movie_recommender.serving.access.callers import Caller, with_scopes
from movie_recommender.settings import Settings

logger = logging.getLogger(__name__)

LEEWAY_S = 30
"""How much the clocks of two machines may differ."""

_SHARED = ("HS256",)
_PUBLIC = ("RS256", "ES256")


class Tokens:
    """Checks tokens that were signed by a shared secret, or by a key of a JWKS file.

    Args:
        secret: shared, for HS256; None: there is a file.
        jwks_file: public keys, for RS256 and ES256; read again when it has changed.
        issuer: claim `iss`.
        audience: claim `aud`, or one of them.
        scope_claim: names in one string, or a list of them.

    Raises:
        ConfigurationError: the file can't be read.
    """

    def __init__(
        self,
        *,
        secret: bytes | None,
        jwks_file: Path | None,
        issuer: str,
        audience: str,
        scope_claim: str,
    ) -> None:
        self._secret = secret
        self._jwks_file = jwks_file
        self._issuer = issuer
        self._audience = audience
        self._scope_claim = scope_claim
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read = 0
        if jwks_file is not None:
            self._keys, self._read = _read_jwks(jwks_file), _changed(jwks_file)

    def caller(self, token: str) -> Caller | None:
        """Who has it, until the leeway is over, too; None: it isn't ours, or not now."""
        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=_SHARED if self._secret is not None else _PUBLIC,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"]},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return Caller(claims["sub"], self._scopes(claims), float(claims["exp"]) + LEEWAY_S)

    def _scopes(self, claims: Mapping[str, Any]) -> Any:
        named = claims.get(self._scope_claim, "")
        names = named.split() if isinstance(named, str) else named
        return with_scopes(names if isinstance(names, list) else [])

    def _key(self, token: str) -> bytes | jwt.PyJWK:
        if self._secret is not None:
            return self._secret
        key_id = jwt.get_unverified_header(token).get("kid")
        self._read_again()  # a key that was taken out signs no further token
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if key_id not in self._keys:
            message = "no such key"
            raise jwt.InvalidKeyError(message)
        return self._keys[key_id]

    def _read_again(self) -> None:
        """The file may have been replaced: that is how keys are rotated."""
        assert self._jwks_file is not None
        stamp = _changed(self._jwks_file)
        if stamp == self._read:
            return
        self._read = stamp
        try:
            self._keys = _read_jwks(self._jwks_file)
        except ConfigurationError as error:
            logger.warning("the keys read before go on: %s", error)


def tokens_of(settings: Settings) -> Tokens:
    """The check that the settings ask for.

    Raises:
        ConfigurationError: they contradict each other, or one is missing.
    """
    secret, file = settings.serving_jwt_secret, settings.serving_jwt_jwks_file
    if (secret is None) == (file is None):
        message = "SERVING_JWT_SECRET and SERVING_JWT_JWKS_FILE: expected one of them."
        raise ConfigurationError(message)
    issuer, audience = settings.serving_jwt_issuer, settings.serving_jwt_audience
    if not issuer or not audience:
        message = (
            "SERVING_JWT_ISSUER and SERVING_JWT_AUDIENCE: both are needed, so that a token "
            "that was made for another service isn't taken. Set them."
        )
        raise ConfigurationError(message)
    return Tokens(
        secret=None if secret is None else secret.get_secret_value().encode(),
        jwks_file=file,
        issuer=issuer,
        audience=audience,
        scope_claim=settings.serving_jwt_scope_claim,
    )


def _read_jwks(path: Path) -> dict[str | None, jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(path.read_text(encoding="utf-8"))).keys
    except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
        message = (
            f"SERVING_JWT_JWKS_FILE={path}: can't be read as a JSON web key set "
            f"({type(error).__name__}). Correct the path or the file."
        )
        raise ConfigurationError(message) from error
    # A symmetric key in a public file would be a secret that isn't.
    return {key.key_id: key for key in keys if key.algorithm_name in _PUBLIC}


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
