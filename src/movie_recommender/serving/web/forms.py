"""What the page's forms send: read, checked, and made into feedback."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from pydantic import ValidationError

from movie_recommender.serving.feedback import Feedback
from movie_recommender.serving.problems import Problem, wrong_request

HIDDEN_RATING = 0.5
"""What "not interested" says in terms of the contract: the lowest rating. So the movie counts as
met and disliked, stays away for ever, and the training learns from it."""

_MAX_FIELDS = 30


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form; of one that is there twice the last.

    Raises:
        Problem: another site's page has sent it, or it isn't a form.
    """
    if not _is_ours(request):
        raise Problem(
            403,
            "The form was sent by another site's page.",
            where="header Sec-Fetch-Site or Origin",
            remedy="Use the forms of this page: /",
        )
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise wrong_request([{"loc": ("form",), "msg": str(error), "input": "a body"}]) from None
    return dict(pairs)


def _is_ours(request: Request) -> bool:
    """Whether one of this server's pages has sent it; without TLS browsers tell the origin only."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    same = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    return same and site in ("same-origin", "none")


def feedback_of(fields: Mapping[str, str]) -> Feedback:
    """What the buttons like, hide and rate say.

    Raises:
        Problem: a field is wrong.
    """
    said = {name: fields[name] for name in _KEPT if fields.get(name)}
    said |= _said(fields)
    try:
        return Feedback.model_validate(said)
    except ValidationError as error:
        raise wrong_request(error.errors(include_url=False, include_context=False)) from None


def key_of(feedback: Feedback) -> str | None:
    """An idempotency key: a button that is pressed twice counts once for a list."""
    if feedback.impression_id is None:
        return None
    said = f"{feedback.movie_id}:{feedback.event_type}:{feedback.rating}"
    return f"page:{feedback.impression_id}:{said}"


def back_to(fields: Mapping[str, str], **said: object) -> str:
    """Where the form was, a place on this server, with `said` in its query."""
    path, query = _here(fields.get("back", "/"))
    kept = {name: value for name, value in parse_qsl(query) if name not in said}
    query = urlencode(kept | {name: str(value) for name, value in said.items()})
    return f"{path}?{query}" if query else path


def _here(address: str) -> tuple[str, str]:
    """Path and query of an address; the home page's where it isn't one of this server's."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/", ""
    # A path that begins with two slashes, of whichever kind, is another server to a browser.
    inside = parts.path.startswith("/") and parts.path[1:2] not in ("/", "\\")
    if parts.netloc or not inside or not parts.path.isprintable():
        return "/", ""
    return parts.path, parts.query


_KEPT = ("user_id", "movie_id", "impression_id", "position")


def _said(fields: Mapping[str, str]) -> dict[str, Any]:
    do = fields.get("do")
    if do == "like":
        return {"event_type": "like"}
    if do == "hide":
        return {"event_type": "rating", "rating": HIDDEN_RATING}
    if do == "rate":
        return {"event_type": "rating", "rating": fields.get("rating") or None}
    found = {"loc": ("do",), "msg": "expected like, hide or rate", "input": do}
    raise wrong_request([found])
