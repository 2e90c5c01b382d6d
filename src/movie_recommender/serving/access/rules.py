"""Which scope a request needs, by its path alone: one table, which the schema shows, too."""

from typing import Final, Literal

ScopeName = Literal["read", "feedback", "admin"]

SCOPES: Final[tuple[ScopeName, ...]] = ("read", "feedback", "admin")
"""An administrator may do everything."""

METRICS = "/metrics"
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
UNLIMITED = frozenset({"/health", "/ready", METRICS})
"""What an orchestrator asks, however often: a worker that is busy is not a worker that is dead."""

_OPEN = frozenset({"/health", "/ready", SIGN_IN, SIGN_OUT})
_STATIC = "/static/"
_FEEDBACK = frozenset({"/feedback", "/act"})
_ADMIN = "/admin/"
_FORMS = frozenset({"/act", "/user", "/models/rollback", SIGN_IN, SIGN_OUT})
"""What the pages' forms are sent to; each checks that it was one of this server's pages."""


def needed_scope(path: str) -> ScopeName | None:
    """The scope that a request for `path` needs; None: whoever asks gets an answer.

    A path that nobody thought of needs `read`: a new route isn't open by mistake. Whoever sends the
    rollback's form needs `read` here, and the form holds the key of an administrator.
    """
    if path in _OPEN or path.startswith(_STATIC):
        return None
    if path in _FEEDBACK:
        return "feedback"
    return "admin" if path.startswith(_ADMIN) else "read"


def takes_cookie(method: str, path: str) -> bool:
    """Whether a session counts here: a browser sends it whoever made it ask.

    Reading changes nothing, and forms are checked; anything else needs a header.
    """
    return method in ("GET", "HEAD") or path in _FORMS
