"""The application of `test_app`, with keys."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from movie_recommender.serving.access import Door
from movie_recommender.serving.context import Context
from movie_recommender.settings import load_settings
from tests.unit.serving.access.conftest import ADMIN, FEEDBACK, READ
from tests.unit.serving.test_app import (  # noqa: F401  (fixtures)
    KNOWN,
    SETTINGS,
    context,
    loaded,
    producers,
    requests_to,
    wrong,
)
from tests.unit.serving.web.conftest import read

Get = Callable[..., httpx.Response]

HTML = {"accept": "text/html,*/*;q=0.8"}
KEYS = f"reader:read:{READ} app:read+feedback:{FEEDBACK} ops:admin:{ADMIN}"


@pytest.fixture
def serve(loaded: Context) -> Callable[..., Get]:  # noqa: F811
    """Requests to the application by further settings."""

    def server(**update: Any) -> Get:
        found = load_settings(**SETTINGS.model_dump() | update)
        door = Door(found, clock=lambda: datetime.now(UTC))
        return requests_to(replace(loaded, settings=found, door=door))

    return server


@pytest.fixture
def get(serve: Callable[..., Get]) -> Get:
    """Requests to an application with keys."""
    return serve(serving_api_keys=KEYS)


def test_every_route_of_the_schema_and_of_the_pages_asks_for_a_key(get: Get) -> None:
    schema = get("/openapi.json", headers={"X-API-Key": READ}).json()
    asked = {(method, path) for path, item in schema["paths"].items() for method in item}
    asked |= {("get", path) for path in ("/", "/history", "/m/3", "/models", "/docs", "/nowhere")}
    asked |= {("post", path) for path in ("/act", "/user", "/models/rollback")}
    open_paths = {"/health", "/ready", "/metrics"}
    assert open_paths < {path for _, path in asked}
    for method, path in asked:
        answer = get(path.format(user_id=1, movie_id=3), method)
        assert (answer.status_code == 401) == (path not in open_paths), (method, path)
        if path not in open_paths:
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "key" in wrong(answer)


def test_the_schema_says_which_scope(get: Get, serve: Callable[..., Get]) -> None:
    def security(schema: dict[str, Any]) -> dict[str, Any]:
        return {
            f"{method} {path}": [*operation["security"]]
            for path, item in schema["paths"].items()
            for method, operation in item.items()
        }

    guarded = get("/openapi.json", headers={"X-API-Key": READ}).json()
    found = security(guarded)
    assert set(guarded["components"]["securitySchemes"]) == {"bearer", "key", "admin"}
    assert found["get /recommendations/{user_id}"] == [{"bearer": ["read"]}, {"key": ["read"]}]
    assert found["post /feedback"] == [{"bearer": ["feedback"]}, {"key": ["feedback"]}]
    assert {"admin": ["admin"]} in found["post /admin/reload"]
    assert found["get /health"] == []
    free = security(serve()("/openapi.json").json())
    assert free.pop("post /admin/reload") != []
    assert list(filter(None, free.values())) == []


def test_each_scope_and_the_admin_key(get: Get) -> None:
    body = {"event_type": "like", "user_id": KNOWN, "movie_id": 3}
    assert get(f"/recommendations/{KNOWN}", headers={"X-API-Key": READ}).status_code == 200
    lacks = get("/feedback", "POST", json=body, headers={"X-API-Key": READ})
    assert (lacks.status_code, wrong(lacks)) == (403, "scope feedback")
    sent = get("/feedback", "POST", json=body, headers={"Authorization": f"Bearer {FEEDBACK}"})
    assert sent.status_code == 503  # let in: it is the broker that is away
    for key in (ADMIN, "secret"):
        assert get("/admin/reload", "POST", headers={"X-Admin-Key": key}).status_code == 202
        assert get(f"/recommendations/{KNOWN}", headers={"X-API-Key": key}).status_code == 200


def test_a_browser_signs_in_and_out(get: Get) -> None:
    shown = get("/history?a=1", headers=HTML)
    page = read(shown, 401)
    assert page.of("input", name="back") == [
        {"type": "hidden", "name": "back", "value": "/history?a=1"}
    ]
    assert shown.headers["www-authenticate"].startswith("Bearer")
    assert (
        "Nobody has this key"
        in read(get("/sign-in", "POST", data={"key": "no", "back": "/"}, headers=HTML), 401).text
    )
    begun = get("/sign-in", "POST", data={"key": FEEDBACK, "back": "/m/3?x=1"}, headers=HTML)
    assert (begun.status_code, begun.headers["location"]) == (303, "/m/3?x=1")
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert FEEDBACK not in cookie
    session = {**HTML, "cookie": f"{cookie.partition(';')[0]}; movie_recommender_user={KNOWN}"}
    home = read(get("/", headers=session))
    assert home.of("form", action="/sign-out") != []
    like = {"do": "like", "user_id": str(KNOWN), "movie_id": "3"}
    assert get("/act", "POST", data=like, headers=session).status_code == 503  # the broker's away
    elsewhere = {**session, "sec-fetch-site": "same-site"}
    for path in ("/act", "/sign-in", "/sign-out"):
        assert get(path, "POST", data=like, headers=elsewhere).status_code == 403
    here = get("/", headers=session).request.url
    for origin in (f"{here.scheme}://{here.host}:3000", "https://evil.example", "null"):
        # Without TLS a browser says no more than this.
        from_there = {**session, "origin": origin}
        assert get("/act", "POST", data=like, headers=from_there).status_code == 403
    ours = {**session, "origin": f"{here.scheme}://{here.netloc.decode()}"}
    assert get("/act", "POST", data=like, headers=ours).status_code == 503
    body = {"event_type": "like", "user_id": KNOWN, "movie_id": 3}
    assert get("/feedback", "POST", json=body, headers=session).status_code == 401
    out = get("/sign-out", "POST", headers=session)
    assert 'movie_recommender_session=""' in out.headers["set-cookie"]


def test_rollback_asks_for_an_administrator_s_key_all_the_same(get: Get) -> None:
    begun = get("/sign-in", "POST", data={"key": FEEDBACK})
    session = {"cookie": begun.headers["set-cookie"].partition(";")[0]}
    for key in ("", FEEDBACK, "wrong"):
        answer = get("/models/rollback", "POST", data={"key": key}, headers=session)
        assert answer.status_code in (401, 403)
    let_in = get("/models/rollback", "POST", data={"key": ADMIN}, headers=session)
    assert (let_in.status_code, wrong(let_in)) == (503, "MLflow")


def test_where_no_key_is_needed_nobody_signs_in(serve: Callable[..., Get]) -> None:
    assert serve()("/sign-in").headers["location"] == "/"


def test_no_secret_is_in_an_answer_a_log_or_a_metric(
    get: Get, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = get("/sign-in", "POST", data={"key": READ}).headers["set-cookie"]
    secrets = [READ, FEEDBACK, ADMIN, "secret", "guessed-by-nobody-at-all", session[26:60]]
    ways = [{"X-API-Key": key} for key in secrets] + [{"X-Admin-Key": key} for key in secrets]
    ways += [{"Authorization": f"Bearer {key}"} for key in secrets]
    ways += [{"cookie": f"movie_recommender_session={key}"} for key in secrets]
    said = ""
    for headers in ways:
        for path, method in (("/recommendations/x", "GET"), ("/feedback", "POST"), ("/m/x", "GET")):
            said += get(path, method, headers={**headers, **HTML}).text
        said += get("/models/rollback", "POST", data={"key": next(iter(headers.values()))}).text
    said += get("/metrics").text + get("/ready").text + caplog.text
    assert [secret for secret in secrets if secret in said] == []


def test_other_sites_may_read_what_is_configured(serve: Callable[..., Get], get: Get) -> None:
    origin = {"origin": "https://shop.example"}
    preflight = {**origin, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in get("/movies/3", headers=origin).headers
    allowed = serve(serving_api_keys=KEYS, serving_cors_origins="https://shop.example")
    for path in ("/recommendations/1", "/movies/3"):
        refused = allowed(path, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-credentials" not in refused.headers
        other = allowed(path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    asked = allowed(
        "/feedback",
        "OPTIONS",
        headers={**preflight, "access-control-request-headers": "idempotency-key,x-api-key"},
    )
    assert asked.status_code == 200
    assert allowed("/feedback", "OPTIONS", headers={**preflight, "origin": "x"}).status_code == 400


def test_too_often_is_429_and_then_goes_on(serve: Callable[..., Get]) -> None:
    get = serve(serving_rate_limit=0.5, serving_rate_burst=2)
    answers = [get(f"/recommendations/{KNOWN}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"
    assert wrong(answers[2]) == "SERVING_RATE_LIMIT"
    assert get("/metrics").status_code == 200


def test_a_browser_is_refused_by_a_page(serve: Callable[..., Get], loaded: Context) -> None:  # noqa: F811
    often = serve(serving_rate_limit=0.1, serving_rate_burst=1)
    often("/")
    assert "Too often" in read(often("/", headers=HTML), 429).text
    full = requests_to(loaded, [SETTINGS.serving_queue + 1])("/", headers=HTML)
    assert "Not now" in read(full, 503).text
    assert full.headers["retry-after"] == "1"
    large = serve()("/act", "POST", content=b"x" * 2000, headers=HTML)
    assert "Too large" in read(large, 413).text
