"""From a view to a response: the template, and the headers that every page has."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from movie_recommender import pages
from movie_recommender.serving.access.door import SIGNED_IN
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.web import people, static

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "private, no-store",  # a list is of one user and one moment
    "vary": "Cookie, Accept",
}


@dataclass(frozen=True)
class Message:
    """What has just happened, said once. `state`: ok, warn or fail."""

    text: str
    state: str = "ok"


def page(
    request: Request,
    name: str,
    *,
    status: int = 200,
    user_id: int | None = None,
    message: Message | None = None,
    **view: Any,
) -> Response:
    """The page that template `name` makes of `view`.

    Args:
        request: whose path marks the page in the menu.
        name: of the template, without its ending.
        status: of HTTP.
        user_id: who looks; None: whom the cookie names.
        message: is shown and read out.
        view: what the template names.
    """
    found = pages.template(__package__, f"templates/{name}.html", number=_number)
    html = found.render(
        path=request.url.path,
        query=view.pop("query", ""),
        user_id=people.user_of(request) if user_id is None else user_id,
        message=message,
        signed_in=request.scope.get(SIGNED_IN, False),
        static=static.address,
        **view,
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def wants_page(request: Request) -> bool:
    """Whether the client is a browser that shows a page; an API's client asks for anything."""
    return "text/html" in request.headers.get("accept", "")


def problem_page(request: Request, problem: Problem) -> Response:
    """A problem as a page: what, where, what to do about it."""
    found: dict[str, Any] = dict(problem.content["error"])
    response = page(request, "problem", status=problem.status, code=problem.status, **found)
    response.headers.update(problem.headers)
    return response


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
