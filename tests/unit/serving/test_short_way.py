"""The short way of the application of `test_app`: the same lists, and the same refusals."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from movie_recommender.serving.access import Door
from movie_recommender.serving.app import create_app
from movie_recommender.serving.context import Context
from movie_recommender.serving.direct import SERVED_LATELY, Answer, Reply
from movie_recommender.serving.room import Room
from movie_recommender.settings import load_settings
from tests.unit.serving.access.conftest import READ
from tests.unit.serving.test_app import (  # noqa: F401  (fixtures)
    KNOWN,
    SETTINGS,
    context,
    get,
    loaded,
    producers,
    waiting,
)

Headers = Sequence[tuple[bytes, bytes]]

PATH = f"/recommendations/{KNOWN}"


@pytest.fixture
def at_once(loaded: Context) -> Callable[..., Answer | None]:  # noqa: F811
    """The short way as it is with further settings."""

    def way(**update: Any) -> Answer | None:
        found = load_settings(**SETTINGS.model_dump() | update)
        door = Door(found, clock=lambda: datetime.now(UTC))
        return create_app(replace(loaded, settings=found, door=door), room=Room()).at_once

    return way


def ask(
    way: Answer | None, path: str, *, query: bytes = b"", headers: Headers = ()
) -> Reply | None:
    return ask_often(way, path, n=1, query=query, headers=headers)[0]


def ask_often(
    way: Answer | None,
    path: str,
    *,
    n: int,
    query: bytes = b"",
    headers: Headers = (),
    lately: bool = False,
) -> list[Reply | None]:
    """Answers to so many requests that come together."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path}
    scope |= {"query_string": query, SERVED_LATELY: lately}

    async def turn() -> list[Reply | None]:
        assert way is not None
        return [way(scope | {"headers": headers}) for _ in range(n)]

    return asyncio.run(turn())


def test_it_is_the_list_that_the_application_gives(
    at_once: Callable[..., Answer | None],
    get: Callable[..., httpx.Response],  # noqa: F811
) -> None:
    found = ask(at_once(), PATH, query=b"k=7&impressions=false")
    assert found is not None
    assert found.head == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        % len(found.body)
    )
    assert orjson.loads(found.body) == get(f"{PATH}?k=7&impressions=false").json()


@pytest.mark.parametrize(
    ("path", "query"),
    [("/health", b""), (f"{PATH}/explain", b""), (PATH, b"k=-1"), ("/recommendations/x", b"")],
)
def test_another_route_and_a_wrong_request_are_the_applications(
    at_once: Callable[..., Answer | None], path: str, query: bytes
) -> None:
    assert ask(at_once(), path, query=query) is None


def test_who_has_too_many_before_him_is_refused(at_once: Callable[..., Answer | None]) -> None:
    replies = ask_often(at_once(serving_queue=3), PATH, n=6)
    heads = [reply.head.split(b"\r\n") for reply in replies if reply is not None]
    assert [head[0] for head in heads[:4]] == [b"HTTP/1.1 200 OK"] * 4
    assert [head[0] for head in heads[4:]] == [b"HTTP/1.1 503 Service Unavailable"] * 2
    assert b"retry-after: 1" in heads[-1]
    last = replies[-1]
    assert last is not None
    assert orjson.loads(last.body)["error"]["where"] == "SERVING_QUEUE"


def test_whom_the_door_keeps_out_the_application_tells(
    at_once: Callable[..., Answer | None],
) -> None:
    guarded = at_once(serving_api_keys=f"reader:read:{READ}")
    assert ask(guarded, PATH) is None
    assert ask(guarded, PATH, headers=[(b"x-api-key", b"guessed-by-nobody-at-all")]) is None
    found = ask(guarded, PATH, headers=[(b"x-api-key", READ.encode())])
    assert found is not None
    assert orjson.loads(found.body)["user_id"] == KNOWN


def test_who_asks_too_often_isnt_answered(at_once: Callable[..., Answer | None]) -> None:
    replies = ask_often(at_once(serving_rate_limit=0.001, serving_rate_burst=2), PATH, n=4)
    assert [reply is not None for reply in replies] == [True, True, False, False]


@pytest.mark.parametrize(
    ("path", "update", "status"),
    [
        ("/recommendations/x", {}, 422),
        (PATH, {"serving_api_keys": f"reader:read:{READ}"}, 401),
        (PATH, {"serving_queue": 1}, 200),
    ],
)
def test_who_is_handed_on_has_asked_once(
    loaded: Context,  # noqa: F811
    path: str,
    update: dict[str, Any],
    status: int,
) -> None:
    found = load_settings(
        **SETTINGS.model_dump() | {"serving_rate_limit": 0.001, "serving_rate_burst": 1} | update
    )
    door = Door(found, clock=lambda: datetime.now(UTC))
    app = create_app(replace(loaded, settings=found, door=door), room=Room())
    sent: list[Any] = []

    async def once() -> None:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        assert app.at_once is not None
        reply = app.at_once(scope)
        if reply is not None:
            sent.append({"status": int(reply.head.split()[1])})
            return

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app.asgi(scope, receive, send)

    asyncio.run(once())
    assert sent[0]["status"] == status


def test_in_a_crowd_there_is_half_the_room_for_whoever_was_just_answered(
    at_once: Callable[..., Answer | None],
) -> None:
    way = at_once(serving_queue=8)
    replies = ask_often(way, PATH, n=12, lately=True)
    assert [reply is not None and b" 200 " in reply.head for reply in replies] == (
        [True] * 5 + [False] * 7
    )
    assert len([reply for reply in ask_often(way, PATH, n=9) if reply and not reply.rest_s]) == 9


def test_where_addresses_count_a_proxys_word_is_weighed_first(
    at_once: Callable[..., Answer | None],
) -> None:
    forwarded = [(b"x-forwarded-for", b"203.0.113.5")]
    assert ask(at_once(), PATH, headers=forwarded) is not None
    assert ask(at_once(serving_rate_limit=5), PATH, headers=forwarded) is None
    assert ask(at_once(serving_rate_limit=5), PATH) is not None


def test_where_other_sites_may_read_all_goes_through_the_application(
    at_once: Callable[..., Answer | None],
) -> None:
    assert at_once(serving_cors_origins="https://shop.example") is None
