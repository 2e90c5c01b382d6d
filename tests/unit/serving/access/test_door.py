"""Who is let in, by every way to show a key."""

from collections.abc import Callable
from typing import Any

import pytest

from movie_recommender.serving.access import Door
from movie_recommender.serving.access.door import SIGNED_IN
from movie_recommender.serving.access.tokens import LEEWAY_S
from movie_recommender.serving.problems import Problem
from tests.unit.serving.access.conftest import (
    ADMIN,
    FEEDBACK,
    READ,
    SECRET,
    request,
    signed,
    status,
)

LIST = "/recommendations/3"
TOKENS = {
    "serving_jwt_secret": SECRET,
    "serving_jwt_issuer": "https://issuer",
    "serving_jwt_audience": "movies",
}
COOKIE = "movie_recommender_session={}"


def test_without_keys_reading_and_feedback_are_open_and_administration_is_closed(
    door_of: Callable[..., Door],
) -> None:
    door = door_of()
    assert [status(door, path) for path in (LIST, "/", "/feedback", "/metrics")] == [200] * 4
    assert status(door, LIST, x_api_key="whatever") == 200
    assert status(door, "/admin/reload", "POST", x_admin_key="whatever") == 403


def test_the_admin_key_alone_leaves_reading_open(door_of: Callable[..., Door]) -> None:
    door = door_of(serving_admin_key="s")
    assert status(door, LIST) == 200
    assert status(door, "/admin/reload", "POST") == 401
    assert status(door, "/admin/reload", "POST", x_admin_key="t") == 401
    for header in ({"x_admin_key": "s"}, {"x_api_key": "s"}, {"authorization": "Bearer s"}):
        assert status(door, "/admin/reload", "POST", **header) == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (LIST, {READ, FEEDBACK, ADMIN}),
        ("/", {READ, FEEDBACK, ADMIN}),
        ("/docs", {READ, FEEDBACK, ADMIN}),
        ("/nobody/thought/of/it", {READ, FEEDBACK, ADMIN}),
        ("/feedback", {FEEDBACK, ADMIN}),
        ("/act", {FEEDBACK, ADMIN}),
        ("/admin/reload", {ADMIN}),
        ("/admin/anything", {ADMIN}),
    ],
)
def test_with_keys_each_route_asks_for_its_scope(
    guarded: Door, path: str, allowed: set[str]
) -> None:
    assert status(guarded, path) == 401
    assert status(guarded, path, x_api_key="nobody's-key-of-this-length") == 401
    for key in (READ, FEEDBACK, ADMIN):
        expected = 200 if key in allowed else 403
        assert status(guarded, path, x_api_key=key) == expected
        assert status(guarded, path, authorization=f"bEaReR  {key}") == expected
    assert status(guarded, path, authorization=f"Basic {ADMIN}") == 401


def test_what_an_orchestrator_asks_is_open(guarded: Door, door_of: Callable[..., Door]) -> None:
    for path in ("/health", "/ready", "/metrics", "/sign-in", "/static/page.css"):
        assert status(guarded, path) == 200
    shut = door_of(serving_api_keys=f"a:read:{READ}", serving_metrics_guarded=True)
    assert status(shut, "/metrics") == 401
    assert status(shut, "/metrics", authorization=f"Bearer {READ}") == 200


def test_what_is_refused_says_how_to_ask(guarded: Door) -> None:
    with pytest.raises(Problem) as missing:
        guarded.admit(request(LIST))
    assert missing.value.headers == {"www-authenticate": 'Bearer realm="movie-recommender"'}
    with pytest.raises(Problem, match="'reader' lacks the scope feedback; it has: read") as lacks:
        guarded.admit(request("/feedback", "POST", x_api_key=READ))
    assert 'error="insufficient_scope", scope="feedback"' in lacks.value.headers["www-authenticate"]
    for problem in (missing.value, lacks.value):
        assert READ.encode() not in problem.body()


def test_tokens_are_keys_too_until_they_expire(
    door_of: Callable[..., Door], clock: list[float]
) -> None:
    door = door_of(**TOKENS)
    token = f"Bearer {signed()}"
    assert status(door, LIST) == 401
    for _ in range(2):
        assert status(door, LIST, authorization=token) == 200
        assert status(door, "/admin/reload", "POST", authorization=token) == 403
    clock[0] += 3600 + LEEWAY_S - 2
    assert status(door, LIST, authorization=token) == 200
    clock[0] += 3
    assert status(door, LIST, authorization=token) == 401


def test_the_leeway_is_the_same_for_a_new_token_and_a_remembered_one(
    door_of: Callable[..., Door], clock: list[float]
) -> None:
    door = door_of(**TOKENS)
    token = f"Bearer {signed(exp=int(clock[0]) - LEEWAY_S + 20)}"
    for _ in range(2):
        assert status(door, LIST, authorization=token) == 200
    clock[0] += 21
    assert status(door, LIST, authorization=token) == 401


def test_a_session_stands_for_its_key_where_a_browser_asks(
    guarded: Door, clock: list[float]
) -> None:
    assert guarded.sign_in("nobody's-key-of-this-length") is None
    begun = guarded.sign_in(f" {FEEDBACK}\n")
    assert begun is not None
    session, lasts_s = begun
    assert FEEDBACK not in session
    assert lasts_s == pytest.approx(12 * 3600, abs=2)
    cookie = f"a=b; {COOKIE.format(session)}; c=d"
    asked = request("/", cookie=cookie)
    guarded.admit(asked)
    assert asked[SIGNED_IN] is True
    assert status(guarded, "/act", "POST", cookie=cookie) == 200
    # Another site's page can have a browser send these, too.
    assert status(guarded, "/feedback", "POST", cookie=cookie) == 401
    assert status(guarded, "/act", "POST", cookie=cookie[:-20]) == 401
    assert status(guarded, LIST, authorization=f"Bearer {session}") == 401
    clock[0] += lasts_s + 2
    assert status(guarded, "/", cookie=cookie) == 401


def test_a_session_ends_with_its_key_and_is_another_server_s_with_a_shared_secret(
    door_of: Callable[..., Door],
) -> None:
    shared: dict[str, Any] = {"serving_session_secret": "x" * 32}
    one = door_of(serving_api_keys=f"a:read:{READ}", **shared)
    begun = one.sign_in(READ)
    assert begun is not None
    cookie = COOKIE.format(begun[0])
    other = door_of(serving_api_keys=f"b:read:{FEEDBACK} a:read+feedback:{READ}", **shared)
    assert status(other, "/act", "POST", cookie=cookie) == 200  # what the key may do now
    without = door_of(serving_api_keys=f"a:read:{FEEDBACK}", **shared)
    assert status(without, "/", cookie=cookie) == 401
    apart = door_of(serving_api_keys=f"a:read:{READ}")
    assert status(apart, "/", cookie=cookie) == 401


def test_a_token_s_session_lasts_no_longer_than_it(
    door_of: Callable[..., Door], clock: list[float]
) -> None:
    door = door_of(**TOKENS, serving_session_secret=SECRET)
    begun = door.sign_in(signed())
    assert begun is not None
    assert begun[1] == pytest.approx(3600 + LEEWAY_S, abs=5)
    cookie = COOKIE.format(begun[0])
    assert status(door, "/", cookie=cookie) == 200
    assert status(door, "/admin/x", cookie=cookie) == 403
    assert status(door, "/act", "POST", cookie=cookie) == 200
    assert status(door, "/", cookie=COOKIE.format(signed())) == 401  # a token is no session
    clock[0] += 3600 + LEEWAY_S + 5
    assert status(door, "/", cookie=cookie) == 401


def test_each_key_and_each_address_has_its_own_bucket(door_of: Callable[..., Door]) -> None:
    keys = f"a:read:{READ} b:read:{FEEDBACK}"
    door = door_of(serving_api_keys=keys, serving_rate_limit=0.001, serving_rate_burst=2)
    assert [status(door, LIST, x_api_key=READ) for _ in range(3)] == [200, 200, 429]
    assert status(door, LIST, x_api_key=FEEDBACK) == 200
    # Whoever guesses keys is one address.
    guesses = [status(door, LIST, x_api_key=f"guess-number-{n}-of-many") for n in range(3)]
    assert guesses == [401, 401, 429]
    assert [status(door, "/health") for _ in range(5)] == [200] * 5
    with pytest.raises(Problem) as refused:
        door.admit(request(LIST, x_api_key=READ))
    assert 990 <= int(refused.value.headers["retry-after"]) <= 1000
