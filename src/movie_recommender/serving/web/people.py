"""Who looks at the page: an id, chosen or new, in a cookie.

It is no proof of anything: whoever reaches the page may look at it as any user.
"""

import secrets
from collections.abc import Callable

from fastapi import Request, Response

from movie_recommender.serving.query import MAX_USER_ID
from movie_recommender.serving.seen import Seen

COOKIE = "movie_recommender_user"
A_YEAR_S = 365 * 24 * 3600

NEW_IDS = (2**52, 2**53)
"""Where new users' ids are drawn: below 2**53, so that JavaScript reads them exactly."""

_LOOKED_AT = 200


def user_of(request: Request) -> int | None:
    """Whom the cookie names, or None."""
    return parse_user_id(request.cookies.get(COOKIE, ""))


def parse_user_id(text: str) -> int | None:
    """The id in `text`, or None where it isn't one."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(MAX_USER_ID)):
        return None
    return user_id if (user_id := int(digits)) <= MAX_USER_ID else None


def remember(response: Response, request: Request, user_id: int | None) -> None:
    """Put the id into the cookie; None takes it out."""
    if user_id is None:
        response.delete_cookie(COOKIE)
        return
    response.set_cookie(
        COOKIE,
        str(user_id),
        max_age=A_YEAR_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def fresh_id(
    is_known: Callable[[int], bool], *, below: Callable[[int], int] = secrets.randbelow
) -> int:
    """An id that nobody has.

    Args:
        is_known: whether somebody has it.
        below: a random number from 0, below its argument.
    """
    first, end = NEW_IDS
    while is_known(user_id := first + below(end - first)):
        pass
    return user_id


def some_known(seen: Seen | None, *, n: int) -> list[int]:
    """Up to `n` users who liked something, from all over the ids."""
    if seen is None or not len(seen.contacts.user_ids):
        return []
    contacts = seen.contacts
    n_users = len(contacts.user_ids)
    step = max(1, n_users // _LOOKED_AT)
    rows = [row for row in range(0, n_users, step) if contacts.met(row)[1].any()]
    return [int(contacts.user_ids[row]) for row in rows[:: max(1, len(rows) // n)][:n]]
