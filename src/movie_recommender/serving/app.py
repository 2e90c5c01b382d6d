"""The application: all routes, their errors in one form, the hot route and the gate in front."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from movie_recommender import __version__
from movie_recommender.serving import (
    routes_feedback,
    routes_lists,
    routes_movies,
    routes_status,
    web,
)
from movie_recommender.serving.access.refusals import SignInNeeded
from movie_recommender.serving.access.schema import described
from movie_recommender.serving.context import Context
from movie_recommender.serving.direct import Answer
from movie_recommender.serving.gate import App, Gate, broken
from movie_recommender.serving.hot import HotRoute
from movie_recommender.serving.metrics import RESPONSES, SECONDS
from movie_recommender.serving.problems import Problem, ProblemBody, wrong_request
from movie_recommender.serving.room import Room
from movie_recommender.serving.short_way import ShortWay

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_ERRORS = {
    401: {"model": ProblemBody, "description": "Nobody known asks; see WWW-Authenticate."},
    403: {"model": ProblemBody, "description": "The key lacks a scope."},
    404: {"model": ProblemBody, "description": "There is nothing of this id or address."},
    408: {"model": ProblemBody, "description": "The body came too slowly."},
    413: {"model": ProblemBody, "description": "The body is too large."},
    429: {"model": ProblemBody, "description": "Too often; see Retry-After."},
    422: {"model": ProblemBody, "description": "A parameter is wrong."},
    503: {"model": ProblemBody, "description": "Not now; see Retry-After."},
}


class Application(NamedTuple):
    """One worker's application.

    Attributes:
        asgi: answers everything.
        at_once: the short way of lists; None: something in front of the gate has to see them, too.
    """

    asgi: App
    at_once: Answer | None


def create_app(
    context: Context,
    *,
    room: Room,
    metrics_directory: Path | None = None,
    lifespan: Lifespan | None = None,
) -> Application:
    """The application of one worker.

    Args:
        context: the worker's parts.
        room: counts this worker's requests.
        metrics_directory: where all workers count; None: this one counts alone.
        lifespan: what runs beside the requests.
    """
    app = FastAPI(
        title="movie-recommender",
        version=__version__,
        summary="Recommendations, ranked at the moment they are asked for.",
        lifespan=lifespan,
        responses=_ERRORS,  # type: ignore[arg-type]  # its int keys are of a wider type
    )
    hot = HotRoute(context.service, context.impressions, app, shadow=context.shadow)
    app.include_router(routes_lists.router(context, hot))
    app.include_router(routes_movies.router(context))
    app.include_router(routes_feedback.router(context))
    app.include_router(routes_status.router(context, metrics_directory))
    app.include_router(web.router(context, hot, metrics_directory))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _broken)
    app.middleware("http")(_counted)
    app.openapi = lambda: described(app, context.door)  # type: ignore[method-assign]
    settings = context.settings
    gate = Gate(
        hot,
        admit=context.door.admit,
        refuse=lambda scope, problem: _answer(Request(scope), problem),
        room=room,
        limit=settings.serving_queue,
        max_body_bytes=settings.serving_max_body_bytes,
        body_timeout_s=settings.serving_client_timeout_s,
    )
    if settings.serving_cors_origins:
        return Application(_for_other_sites(gate, settings.serving_cors_origins, room), None)
    way = ShortWay(hot, door=context.door, room=room, limit=settings.serving_queue)
    return Application(gate, way)


def _for_other_sites(app: App, origins: str, room: Room) -> App:
    """Answers that browsers let other sites' scripts read; without cookies, so by a key."""
    others = CORSMiddleware(
        app,
        allow_origins=origins.split(","),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "X-API-Key", "Content-Type", "Idempotency-Key"],
        expose_headers=["Retry-After", "WWW-Authenticate"],
    )

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if not _is_preflight(scope):
            await others(scope, receive, send)
            return
        room.enter(scope)  # it is answered before the gate, which would have counted it
        try:
            await others(scope, receive, send)
        finally:
            room.leave()

    return serve


def _is_preflight(scope: Any) -> bool:
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names


def _answer(request: Request, problem: Problem) -> Response:
    if web.wants_page(request):
        if isinstance(problem, SignInNeeded):
            return web.sign_in_page(request, problem)
        return web.problem_page(request, problem)
    return Response(
        problem.body(),
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type="application/json",
    )


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, wrong_request(list(error.errors())))


async def _broken(request: Request, _: Exception) -> Response:
    """A defect; it is raised on, so that the server's log has it."""
    return _answer(request, broken())


async def _refused(request: Request, error: Exception) -> Response:
    """No such route, no such method."""
    assert isinstance(error, HTTPException)
    problem = Problem(
        error.status_code,
        f"{error.detail}: {request.method} {request.url.path[:200]}",
        where="address",
        remedy="/docs shows every route.",
    )
    answer = _answer(request, problem)
    answer.headers.update(error.headers or {})
    return answer


async def _counted(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    began = time.perf_counter()
    response = await go_on(request)
    route = getattr(request.scope.get("route"), "path", "none")
    SECONDS.labels(route).observe(time.perf_counter() - began)
    RESPONSES.labels(route, str(response.status_code)).inc()
    return response
