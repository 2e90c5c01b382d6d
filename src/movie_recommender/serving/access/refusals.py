"""What somebody is told who isn't let in."""

from movie_recommender.serving.access.callers import Caller
from movie_recommender.serving.access.rules import ScopeName
from movie_recommender.serving.problems import Problem

_REALM = 'Bearer realm="movie-recommender"'
_CHALLENGE = "www-authenticate"


class SignInNeeded(Problem):
    """401: nobody known asks; a browser is shown where to sign in."""

    def __init__(self, needed: ScopeName) -> None:
        super().__init__(
            401,
            "The key is missing, wrong or has expired.",
            where=f"key with the scope {needed}",
            remedy="Send Authorization: Bearer KEY or X-API-Key: KEY; a browser signs in at "
            "/sign-in.",
            headers={_CHALLENGE: _REALM},
        )


def lacking(needed: ScopeName, caller: Caller) -> Problem:
    """403: somebody known asks who may not do this."""
    has = ", ".join(sorted(caller.scopes)) or "none"
    return Problem(
        403,
        f"{caller.id[:64]!r} lacks the scope {needed}; it has: {has}.",
        where=f"scope {needed}",
        remedy="Use a key that has the scope, or have it given to this one.",
        headers={_CHALLENGE: f'{_REALM}, error="insufficient_scope", scope="{needed}"'},
    )


def wrong_key() -> Problem:
    """401 for who typed in another key than an administrator's, on a page that he may see."""
    return Problem(
        401,
        "The administrator's key is missing or wrong.",
        where="key",
        remedy="Type in SERVING_ADMIN_KEY, or a key that has the scope admin.",
        headers={_CHALLENGE: _REALM},
    )


def closed() -> Problem:
    """403 for everybody: there is no administrator."""
    return Problem(
        403,
        "Administration is closed: the server has no key for it.",
        where="SERVING_ADMIN_KEY",
        remedy="Set SERVING_ADMIN_KEY, or a key with the scope admin, and start the server again.",
    )


def too_often(wait_s: int) -> Problem:
    """429 for so many seconds."""
    return Problem(
        429,
        "You ask too often.",
        where="SERVING_RATE_LIMIT",
        remedy="Wait as long as Retry-After says, and ask less often.",
        retry_after_s=wait_s,
    )
