"""The style sheet, the script and the icon: read once, with addresses that change with them."""

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from movie_recommender.pages import common_css
from movie_recommender.serving.problems import Problem

TYPES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


def address(name: str) -> str:
    """Where a browser finds file `name`; another content has another address."""
    return f"/static/{name}?v={_stamp(name)}"


def router() -> APIRouter:
    """The route."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        """A file; kept for ever under the address that `address` gives."""
        if name not in TYPES:
            raise Problem(
                404,
                f"There is no file {name[:100]!r}.",
                where="name",
                remedy="Go back to the page: /",
            )
        stamp = _stamp(name)
        current = request.query_params.get("v") == stamp
        headers = {
            "cache-control": _FOR_EVER if current else _ASK_AGAIN,
            "etag": f'"{stamp}"',
            "x-content-type-options": "nosniff",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(_content(name), media_type=TYPES[name], headers=headers)

    return routes


@cache
def _content(name: str) -> bytes:
    content = files(__package__).joinpath("static", name).read_bytes()
    return common_css().encode() + content if name == "page.css" else content


@cache
def _stamp(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:16]
