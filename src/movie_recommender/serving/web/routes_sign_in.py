"""Where a person shows his key: it is asked for once, and the browser keeps a session."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from movie_recommender.serving.access import Door
from movie_recommender.serving.access.callers import SESSION_COOKIE
from movie_recommender.serving.access.rules import SIGN_IN, SIGN_OUT
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.web import forms
from movie_recommender.serving.web.rendering import page


def router(door: Door) -> APIRouter:
    """The routes; open to everybody."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(SIGN_IN)
    async def form(request: Request) -> Response:
        """The form; where no key is needed, the home page."""
        if not door.is_guarded:
            return RedirectResponse("/", status_code=303)
        return _form(request, back="/")

    @routes.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        """Begin a session and go back to where a key was asked for."""
        fields = await forms.fields_of(request)
        begun = door.sign_in(fields.get("key", ""))
        if begun is None:
            what = "Nobody has this key, or it has expired."
            return _form(request, back=fields.get("back", "/"), status=401, what=what)
        session, lasts_s = begun
        response = RedirectResponse(forms.back_to(fields), status_code=303)
        response.set_cookie(
            SESSION_COOKIE,
            session,
            max_age=lasts_s,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @routes.post(SIGN_OUT)
    async def sign_out(request: Request) -> Response:
        """Forget the session."""
        await forms.fields_of(request)
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return routes


def sign_in_page(request: Request, problem: Problem) -> Response:
    """What a browser gets that shows no key: the form, which leads back to the same page."""
    back = "/"
    if request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = _form(request, back=back, status=problem.status)
    response.headers.update(problem.headers)
    return response


def _form(request: Request, *, back: str, status: int = 200, what: str = "") -> Response:
    return page(request, "sign_in", status=status, back=back, what=what)
