"""What a browser keeps of a key that was typed in: a signed cookie, never the key.

For a key of the configuration it names the key by a hash of its hash: a key that is taken out ends
its sessions, and what it may do is looked up each time. For a token it says who, what and how long.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from movie_recommender.serving.access.callers import Caller, digest, with_scopes

LASTS = timedelta(hours=12)

_ALGORITHM = "HS256"
_KEY, _ID, _SCOPES, _EXPIRES = "key", "sub", "scope", "exp"


class Sessions:
    """Makes and reads sessions.

    Args:
        secret: that signs, the same for every worker.
        keys: callers by the SHA-256 of their keys.
    """

    def __init__(self, secret: bytes, keys: Mapping[bytes, Caller]) -> None:
        self._secret = digest(b"session " + secret)  # no token of another server's fits it
        self._names = {hashed: digest(hashed).hex() for hashed in keys}
        self._by_name = {self._names[hashed]: caller for hashed, caller in keys.items()}

    def begin(self, hashed: bytes, caller: Caller, *, now: datetime) -> tuple[str, float]:
        """A session's text, and when it ends, in seconds since 1970.

        Args:
            hashed: SHA-256 of the key or the token that was typed in.
            caller: who has it.
            now: the session lasts from then on, and no longer than the token.
        """
        expires = (now + LASTS).timestamp()
        if caller.expires is not None:
            expires = min(expires, caller.expires)
        claims: dict[str, Any] = {_EXPIRES: int(expires)}
        if hashed in self._names:
            claims[_KEY] = self._names[hashed]
        else:
            claims |= {_ID: caller.id, _SCOPES: sorted(caller.scopes)}
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM), expires

    def caller(self, session: str) -> Caller | None:
        """Who began it, and until when it lasts; None: it isn't ours, or the key was taken out."""
        options: Any = {"require": [_EXPIRES], "verify_exp": False}  # by whose clock, the door says
        try:
            claims = jwt.decode(session, self._secret, algorithms=[_ALGORITHM], options=options)
        except (jwt.PyJWTError, ValueError):
            return None
        expires = float(claims[_EXPIRES])
        if _KEY not in claims:
            return Caller(claims[_ID], with_scopes(claims[_SCOPES]), expires)
        known = self._by_name.get(claims[_KEY])
        return None if known is None else Caller(known.id, known.scopes, expires)
