"""The application of `test_app`, asked by a browser."""

import copy
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from movie_recommender.serving.context import Context
from movie_recommender.serving.model import ServedModel
from tests.unit.html_page import Page
from tests.unit.serving.test_app import (  # noqa: F401  (fixtures)
    KNOWN,
    context,
    get,
    loaded,
    producers,
    waiting,
)

NASTY = "<script>alert(1)</script> & \"quotes\" 'too'"


@pytest.fixture
def browse(get: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:  # noqa: F811
    """A browser's request, as the user `user`."""

    def ask(path: str, method: str = "GET", *, user: int | None = KNOWN, **options: object):  # type: ignore[no-untyped-def]
        headers = {"accept": "text/html,*/*;q=0.8"} | options.pop("headers", {})  # type: ignore[operator]
        if user is not None:
            headers["cookie"] = f"movie_recommender_user={user}"
        return get(path, method, headers=headers, **options)

    return ask


@pytest.fixture
def nasty(loaded: Context, model: ServedModel) -> Context:  # noqa: F811
    """Every title is markup."""
    hurt = copy.copy(model)
    hurt.__dict__.pop("search", None)  # made of the titles before
    titles = [f"{NASTY} {row}" for row in range(len(model.catalogue))]
    hurt.catalogue = replace(model.catalogue, titles=titles, json={})
    loaded.service.use_model(hurt, loaded.service.read_contacts(model.contacts))
    return loaded


def read(response: httpx.Response, status: int = 200) -> Page:
    """A page whose elements close in order."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    assert page.open == []
    return page
