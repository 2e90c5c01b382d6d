"""The pages about movies: home, one movie, search, history; and what their forms send."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import QueryParams

from movie_recommender.serving.context import Context
from movie_recommender.serving.hot import HotRoute
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.routes_feedback import accept
from movie_recommender.serving.service import Service
from movie_recommender.serving.web import forms, people, routes_rooms, routes_sign_in, static
from movie_recommender.serving.web.cards import card
from movie_recommender.serving.web.lists import (
    LENGTHS,
    Facets,
    facets,
    filters_of,
    list_view,
    popular_cards,
)
from movie_recommender.serving.web.movie import history_view, movie_view
from movie_recommender.serving.web.rendering import Message, page
from movie_recommender.serving.web.words import because

N_SUGGESTED = 6
N_FOUND = 30
MAX_WORDS = 200

_SAID = {
    "like": "You like {title}. The list was ranked again.",
    "hide": "{title} won't come back. The list was ranked again.",
    "rate": "You rated {title}. The list was ranked again.",
}


def router(context: Context, hot: HotRoute, metrics_directory: Path | None) -> APIRouter:
    """All routes of the pages; `metrics_directory` as of `app.create_app`."""
    routes = APIRouter(include_in_schema=False)
    _add_lists(routes, context.service, hot)
    _add_movies(routes, context.service)
    _add_forms(routes, context)
    routes.include_router(routes_rooms.router(context, metrics_directory))
    routes.include_router(routes_sign_in.router(context.door))
    routes.include_router(static.router())
    return routes


def _add_lists(routes: APIRouter, service: Service, hot: HotRoute) -> None:
    kept: dict[int, tuple[ServedModel, Facets]] = {}

    def facets_now() -> Facets:
        """Of the model that answers; made once for each."""
        model = service.model
        if 0 not in kept or kept[0][0] is not model:
            kept[0] = (model, facets(model.catalogue))
        return kept[0][1]

    @routes.get("/")
    async def home(request: Request) -> Response:
        """A user's list; to whom isn't anybody yet, who he may be."""
        user_id = people.user_of(request)
        filters = filters_of(request.query_params)
        if user_id is None:
            return page(
                request,
                "welcome",
                cards=popular_cards(service, n=LENGTHS[0]),
                suggested=people.some_known(service.seen, n=N_SUGGESTED),
            )
        return page(
            request,
            "home",
            message=_message(service, request.query_params),
            view=await list_view(service, hot, user_id, filters),
            facets=facets_now(),
            lengths=LENGTHS,
            because=because,
        )

    @routes.get("/history")
    async def history(request: Request) -> Response:
        """What the user met and liked."""
        user_id = people.user_of(request)
        if user_id is None:
            return RedirectResponse("/", status_code=303)
        view = history_view(service.model, service.known(user_id))
        return page(request, "history", view=view)


def _add_movies(routes: APIRouter, service: Service) -> None:
    @routes.get("/m/{movie_id}")
    async def movie(request: Request, movie_id: str) -> Response:
        """A movie and those like it."""
        user_id = people.user_of(request)
        number = people.parse_user_id(movie_id)  # a movie's id has the form of a user's
        known = None if user_id is None else service.known(user_id)
        view = movie_view(service.model, -1 if number is None else number, known)
        message = _message(service, request.query_params)
        return page(request, "movie", view=view, message=message)

    @routes.get("/search")
    def search(request: Request) -> Response:
        """Movies by words of their titles; it looks at the model alone, so a thread may run it."""
        query = request.query_params.get("query", "").strip()[:MAX_WORDS]
        model = service.model
        rows = model.search.find(query, limit=N_FOUND)
        found = [card(model.catalogue, row) for row in rows]
        return page(request, "search", query=query, cards=found, limit=N_FOUND)


def _add_forms(routes: APIRouter, context: Context) -> None:
    service = context.service

    @routes.post("/act")
    async def act(request: Request) -> Response:
        """Like, hide, rate: feedback as by POST /feedback; then the list, ranked again."""
        fields = await forms.fields_of(request)
        feedback = forms.feedback_of(fields)
        await accept(context, feedback, forms.key_of(feedback))
        done = f"{fields['do']}-{feedback.movie_id}"
        return RedirectResponse(f"{forms.back_to(fields, done=done)}#list", status_code=303)

    @routes.post("/user")
    async def user(request: Request) -> Response:
        """Become a user: one by his id, a new one, or nobody."""
        fields = await forms.fields_of(request)
        user_id = _chosen(service, fields)
        response = RedirectResponse("/", status_code=303)
        people.remember(response, request, user_id)
        return response


def _chosen(service: Service, fields: dict[str, str]) -> int | None:
    if "new" in fields:
        return people.fresh_id(lambda user_id: _is_known(service, user_id))
    if "leave" in fields:
        return None
    user_id = people.parse_user_id(fields.get("user_id", ""))
    if user_id is None:
        raise Problem(
            422,
            f"{fields.get('user_id', '')[:40]!r} isn't a user's id.",
            where="user id",
            remedy="An id is a whole number from 0, such as 17; or become a new user.",
        )
    return user_id


def _is_known(service: Service, user_id: int) -> bool:
    known = service.known(user_id)
    is_in_store = service.seen is not None and service.seen.contacts.row(user_id) is not None
    return is_in_store or len(known.seen) > 0 or service.model.user_row(user_id) is not None


def _message(service: Service, parameters: QueryParams) -> Message | None:
    """What the last form did, from the address that it led to."""
    do, _, movie_id = parameters.get("done", "").partition("-")
    number = people.parse_user_id(movie_id)
    row = None if number is None else service.model.catalogue.row(number)
    if row is None or do not in _SAID:
        return None
    return Message(_SAID[do].format(title=service.model.catalogue.titles[row]))
