"""The pages as a browser gets them: a real model and store; the broker and MLflow are away."""

import re
from collections.abc import Callable

import httpx
import pytest

from movie_recommender.serving.context import Context
from movie_recommender.serving.journal import Contact
from movie_recommender.serving.query import MAX_USER_ID
from movie_recommender.serving.web import static
from tests.unit.html_page import Page
from tests.unit.serving.test_app import KNOWN
from tests.unit.serving.web.conftest import NASTY, read
from tests.unit.worlds import END

Browse = Callable[..., httpx.Response]

PATHS = ("/", "/m/3", "/search?query=movie", "/history", "/models", "/pipeline", "/nowhere")


def titles(page: Page) -> list[str]:
    """Titles of the cards, in order."""
    return re.findall(r"Stars for (.*)", page.text)


def liked(loaded: Context, user_id: int, *movie_ids: int) -> None:
    for movie_id in movie_ids:
        loaded.service.add(Contact(user_id, movie_id, int(END.timestamp() * 1e6), liked=True))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("user", [None, KNOWN])
def test_every_page_is_whole(browse: Browse, loaded: Context, path: str, user: int | None) -> None:
    response = browse(path, user=user)
    if response.status_code == 303:  # a history is somebody's
        assert (path, user) == ("/history", None)
        return
    page = read(response, 404 if path == "/nowhere" else 200)
    assert len(page.of("h1")) == 1
    assert [len(page.of(landmark)) for landmark in ("main", "nav", "footer")] == [1, 1, 1]
    assert page.of("html") == [{"lang": "en"}]
    assert page.of("div", role="status") != []
    named = {label["for"] for label in page.of("label")}
    fields = [f for f in [*page.of("input"), *page.of("select")] if f.get("type") != "hidden"]
    assert {field["id"] for field in fields} <= named
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    # What the content policy forbids isn't there.
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert not [a for _, attributes in page.elements for a in attributes if a == "style"]
    assert [script["src"] for script in page.of("script")] == [static.address("page.js")]
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert response.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/", "/m/3", "/search?query=script", "/history"])
def test_markup_in_a_title_is_text(browse: Browse, nasty: Context, path: str) -> None:
    liked(nasty, KNOWN, 3)
    response = browse(path)
    assert NASTY in read(response).text
    assert "<script>alert" not in response.text


@pytest.mark.parametrize("query", ["<script>", '"><img src=x>', "'"])
def test_markup_in_a_question_is_text(browse: Browse, loaded: Context, query: str) -> None:
    page = read(browse("/search", params={"query": query}))
    assert page.of("input", id="query")[0]["value"] == query
    assert f"“{query}”" in page.text
    assert page.of("img") == []


def test_a_list_says_why(browse: Browse, loaded: Context) -> None:
    page = read(browse("/"))
    assert "Picked for you" in page.text
    assert len(titles(page)) == 12
    assert "Because you liked Movie " in page.text
    nobody = read(browse("/", user=10**9))
    assert "Popular with everybody" in nobody.text
    assert "Because" not in nobody.text
    liked(loaded, 10**9, 3)
    assert "Picked for you, who are new" in read(browse("/", user=10**9)).text


def test_filters_are_kept_and_said(browse: Browse, loaded: Context) -> None:
    page = read(browse("/?genre=odd&year_from=&k=24"))
    assert {"value": "Odd", "selected": None} in page.of("option")
    back = page.of("input", name="back")[0]["value"]
    assert back == "/?k=24&genre=odd"
    assert "k=24 cut to the" in page.text
    assert len(titles(read(browse("/?k=1000")))) == 12
    assert "No movie is left" in read(browse("/?genre=none")).text
    assert "year_from" in read(browse("/?year_from=1"), 422).text


def test_before_any_model_the_page_says_what_to_do(browse: Browse, context: Context) -> None:
    for path in ("/", "/m/3", "/search?query=a"):
        response = browse(path)
        page = read(response, 503)
        assert "There is no model yet" in page.text
        assert {"href": "/pipeline"} in page.of("a")
        assert response.headers["retry-after"] == "5"
    assert "none yet" in read(browse("/pipeline")).text
    assert "No version is served yet" in read(browse("/models")).text


def test_programs_still_get_json(get: Browse, browse: Browse, loaded: Context) -> None:
    paths = get("/openapi.json").json()["paths"]
    assert not {"/", "/act", "/user", "/m/{movie_id}", "/models", "/static/{name}"} & paths.keys()
    assert get("/m/1").json()["error"]["where"] == "movie"
    assert get("/nowhere").json()["error"]["where"] == "address"
    assert "nowhere" in read(browse("/nowhere"), 404).text


@pytest.mark.parametrize("movie_id", ["1", "-1", "x", "9" * 40, "²"])
def test_a_movie_that_is_not_there(browse: Browse, loaded: Context, movie_id: str) -> None:
    assert "Not found" in read(browse(f"/m/{movie_id}"), 404).text


def test_a_movie_says_what_the_user_did_with_it(browse: Browse, loaded: Context) -> None:
    assert "you" not in read(browse("/m/283")).text.split("Similar")[0].split("trained.")[-1]
    liked(loaded, KNOWN, 283)
    page = read(browse("/m/283"))
    assert "you like it" in page.text
    assert page.text.count("Movie 40") > 0
    assert "Say who you are" in read(browse("/m/283", user=None)).text


def test_to_be_somebody(browse: Browse, loaded: Context) -> None:
    chosen = browse("/user", "POST", user=None, data={"user_id": f" {KNOWN} "})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/")
    cookie = chosen.headers["set-cookie"]
    assert f"movie_recommender_user={KNOWN};" in cookie
    assert "HttpOnly" in cookie
    new = browse("/user", "POST", user=None, data={"new": "1"}).headers["set-cookie"]
    user_id = int(new.partition("=")[2].partition(";")[0])
    assert 2**52 <= user_id < 2**53
    assert "max-age=0" in browse("/user", "POST", data={"leave": "1"}).headers["set-cookie"].lower()
    for wrong in ("", "x", "-1", str(MAX_USER_ID + 1), "<b>"):
        assert (
            "isn't a user's id" in read(browse("/user", "POST", data={"user_id": wrong}), 422).text
        )


ACT = {"user_id": str(KNOWN), "movie_id": "3", "do": "like"}


def test_without_kafka_a_like_is_refused_on_a_page(browse: Browse, loaded: Context) -> None:
    page = read(browse("/act", "POST", data=ACT), 503)
    assert "Kafka" in page.text
    assert page.of("p", **{"class": "lead"}) == [{"class": "lead", "data-said": None}]


@pytest.mark.parametrize(
    "wrong",
    [{"do": "love"}, {"do": "rate"}, {"do": "rate", "rating": "6"}, {"movie_id": ""},
     {"user_id": "x"}, {"position": "far"}],
)  # fmt: skip
def test_a_wrong_form_is_a_page(browse: Browse, loaded: Context, wrong: dict[str, str]) -> None:
    read(browse("/act", "POST", data=ACT | wrong), 422)


def test_another_site_sends_no_forms(browse: Browse, loaded: Context) -> None:
    for path in ("/act", "/user", "/models/rollback"):
        for site in ("cross-site", "same-site"):
            answer = browse(path, "POST", data=ACT, headers={"sec-fetch-site": site})
            assert "another site" in read(answer, 403).text


def test_rollback_needs_the_key(browse: Browse, loaded: Context) -> None:
    for data in ({}, {"key": ""}, {"key": "wrong"}, {"key": "schlüssel"}):
        page = read(browse("/models/rollback", "POST", data=data), 401)
        assert "wrong" in page.text
    # With it, the registry is asked; it isn't there.
    data = {"key": "secret", "production": "1"}
    assert "MLflow" in read(browse("/models/rollback", "POST", data=data), 503).text


def test_without_mlflow_the_room_shows_what_serving_knows(browse: Browse, loaded: Context) -> None:
    page = read(browse("/models"))
    assert "MLflow doesn't answer" in page.text
    assert "Version 1 of m answers now" in page.text


def test_files_are_kept_under_their_own_address(browse: Browse) -> None:
    for name, kind in static.TYPES.items():
        answer = browse(static.address(name))
        assert answer.headers["content-type"].startswith(kind)
        assert "immutable" in answer.headers["cache-control"]
        assert browse(f"/static/{name}").headers["cache-control"] == "no-cache"
        etag = {"if-none-match": answer.headers["etag"]}
        assert browse(f"/static/{name}", headers=etag).status_code == 304
    assert browse("/static/..%2froutes.py").status_code == 404
    assert browse("/static/nothing.css").status_code == 404
