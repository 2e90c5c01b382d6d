"""The application in this process: a real model and store, and a broker that isn't there."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.access import Door
from movie_recommender.serving.app import create_app
from movie_recommender.serving.cache import CacheFolder, WorkerState
from movie_recommender.serving.claims import Claims
from movie_recommender.serving.context import Context
from movie_recommender.serving.delivery import Delivery
from movie_recommender.serving.impressions import Impressions
from movie_recommender.serving.journal import Contact, Journal
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.room import Room
from movie_recommender.serving.service import Service
from movie_recommender.settings import load_settings
from tests.unit.worlds import END

KNOWN = 41
"""Id of user row 4, who likes even movies."""


@pytest.fixture
def waiting() -> list[int]:
    """How many requests wait, as the application is told."""
    return [0]


SETTINGS = load_settings(
    kafka_bootstrap_servers="127.0.0.1:9",
    mlflow_tracking_uri="http://127.0.0.1:9",
    serving_feedback_timeout_s=1,
    serving_admin_key="secret",
    serving_queue=5,
    serving_max_body_bytes=1024,
)


@pytest.fixture(scope="module")
def producers() -> Iterator[tuple[Delivery, Impressions]]:
    delivery, impressions = Delivery(SETTINGS), Impressions(SETTINGS)
    yield delivery, impressions
    impressions.close(timeout_s=0)
    delivery.close()


@pytest.fixture
def context(tmp_path: Path, producers: tuple[Delivery, Impressions]) -> Iterator[Context]:
    folder = CacheFolder(tmp_path / "cache")
    service = Service(Journal(folder.journal), clock=lambda: END)
    with closing(Claims(folder.claims)) as claims:
        door = Door(SETTINGS, clock=lambda: END)
        yield Context(SETTINGS, folder, service, *producers, door, claims)
    if service.seen is not None:
        service.seen.close()


class Crowded(Room):
    """A room where so many are before everybody."""

    def __init__(self, waiting: Sequence[int]) -> None:
        super().__init__()
        self._waiting = waiting

    def enter(self, scope: MutableMapping[str, Any]) -> int:
        return super().enter(scope) + self._waiting[0]


@pytest.fixture
def get(context: Context, waiting: list[int]) -> Callable[..., httpx.Response]:
    """One request to the application."""
    return requests_to(context, waiting)


def requests_to(context: Context, waiting: Sequence[int] = (0,)) -> Callable[..., httpx.Response]:
    """One request to the application of these parts."""
    app = create_app(context, room=Crowded(waiting)).asgi

    def ask(path: str, method: str = "GET", **options: object) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.request(method, path, **options)  # type: ignore[arg-type]

        return asyncio.run(once())

    return ask


@pytest.fixture
def loaded(context: Context, model: ServedModel) -> Context:
    contacts: Contacts = model.contacts
    context.service.use_model(model, context.service.read_contacts(contacts))
    context.folder.say_worker(0, WorkerState(pid=1, version=1, snapshot_id=""))
    return context


def wrong(response: httpx.Response) -> str:
    """Where a request was wrong; every error has the same three parts."""
    error = response.json()["error"]
    assert set(error) == {"what", "where", "remedy"}
    assert all(error.values())
    return str(error["where"])


def test_before_any_model(get: Callable[..., httpx.Response]) -> None:
    assert get("/health").status_code == 200
    ready = get("/ready")
    assert (ready.status_code, ready.json()["model"]) == (503, None)
    for path in ("/recommendations/1", "/recommendations/1/explain", "/movies?query=a"):
        answer = get(path)
        assert (answer.status_code, wrong(answer)) == (503, "model")
        assert answer.headers["retry-after"] == "5"


def test_both_ways_to_a_list_answer_the_same(
    get: Callable[..., httpx.Response], loaded: Context
) -> None:
    path = f"/recommendations/{KNOWN}?k=3&impressions=false"
    hot = get(path)
    assert hot.status_code == 200
    assert [item["title"] for item in hot.json()["items"]] != []
    # The one that the schema shows, asked by a method that the hot one leaves alone.
    assert get(path, "HEAD").headers["content-length"] == hot.headers["content-length"]
    schema = get("/openapi.json").json()
    parameters = schema["paths"]["/recommendations/{user_id}"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} >= {"user_id", "k", "genre", "year_to"}


def test_an_answer(get: Callable[..., httpx.Response], loaded: Context) -> None:
    answer = get(f"/recommendations/{KNOWN}?k=4").json()
    assert (answer["user_id"], answer["model_version"]) == (KNOWN, 1)
    assert answer["reason"] == "personal"
    assert len(answer["impression_id"]) == 24
    assert len(answer["items"]) == 4
    assert get(f"/recommendations/{KNOWN}?k=4").json()["impression_id"] != answer["impression_id"]
    hidden = get(f"/recommendations/{KNOWN}?k=4&impressions=false").json()
    assert (hidden["impression_id"], hidden["items"]) == (None, answer["items"])


def test_a_contact_counts_at_once(get: Callable[..., httpx.Response], loaded: Context) -> None:
    first = get(f"/recommendations/{KNOWN}?k=3").json()["items"]
    time_us = int(END.timestamp() * 1e6)
    loaded.service.add(Contact(KNOWN, first[0]["movie_id"], time_us, liked=True))
    second = get(f"/recommendations/{KNOWN}?k=3").json()["items"]
    assert first[0]["movie_id"] not in [item["movie_id"] for item in second]
    assert second[0]["score"] != first[1]["score"]  # and the ranking has changed


def test_what_is_gone_is_said(get: Callable[..., httpx.Response], loaded: Context) -> None:
    loaded.service.notes = {"store": "feature store gone: contacts up to yesterday"}
    answer = get(f"/recommendations/{KNOWN}").json()
    assert answer["reason"] == "personal; feature store gone: contacts up to yesterday"
    ready = get("/ready")
    assert ready.status_code == 200
    assert "feature store gone: contacts up to yesterday" in ready.json()["degraded"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/recommendations/abc", "user_id"),
        ("/recommendations/-1", "user_id"),
        ("/recommendations/9223372036854775808", "user_id"),
        ("/recommendations/٣", "user_id"),
        ("/recommendations/1?k=0", "k"),
        ("/recommendations/1?k=1001", "k"),
        ("/recommendations/1?k=x", "k"),
        ("/recommendations/1?year_from=2000&year_to=1999", "request"),
        ("/recommendations/1?genre=", "genre"),
        ("/recommendations/1?gnere=Even", "gnere"),
        ("/recommendations/1?" + "&".join(f"a{i}=1" for i in range(60)), "query"),
        ("/movies?query=", "query.query"),
        ("/movies/xyz", "path.movie_id"),
    ],
)
def test_wrong_parameters(
    get: Callable[..., httpx.Response], loaded: Context, path: str, where: str
) -> None:
    answer = get(path)
    assert answer.status_code == 422
    assert where in wrong(answer)


def test_movies(get: Callable[..., httpx.Response], loaded: Context) -> None:
    assert get("/movies/24").json()["title"] == "Movie 3"
    missing = get("/movies/25")
    assert (missing.status_code, wrong(missing)) == (404, "movie_id")
    found = get("/movies", params={"query": "MOVIE 3", "k": 2}).json()["items"]
    assert found[0]["title"] == "Movie 3"
    similar = get("/movies/24/similar?k=5").json()["items"]
    assert len(similar) == 5
    assert 24 not in [item["movie_id"] for item in similar]
    assert {item["movie_id"] % 2 for item in similar[:3]} == {0}  # odd rows have even ids
    popular = get("/movies/popular?k=3&genre=odd").json()["items"]
    likes = [item["score"] for item in popular]
    assert likes == sorted(likes, reverse=True)
    assert all("Odd" in item["genres"] for item in popular)


def test_feedback_that_kafka_did_not_confirm_is_not_pretended(
    get: Callable[..., httpx.Response], loaded: Context
) -> None:
    body = {"event_type": "like", "user_id": KNOWN, "movie_id": 3}
    before = get(f"/recommendations/{KNOWN}?impressions=false").json()
    refused = get("/feedback", "POST", json=body)
    assert (refused.status_code, wrong(refused)) == (503, "kafka")
    assert int(refused.headers["retry-after"]) > 0
    assert get(f"/recommendations/{KNOWN}?impressions=false").json() == before
    assert get("/feedback", "POST", json={**body, "user_id": -1}).status_code == 422


def test_a_key_that_was_another_event_s_is_refused(
    get: Callable[..., httpx.Response], loaded: Context
) -> None:
    body = {"event_type": "like", "user_id": KNOWN, "movie_id": 3}
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):  # the broker is away: try again
        assert get("/feedback", "POST", json=body, headers=headers).status_code == 503
    other = get("/feedback", "POST", json={**body, "movie_id": 4}, headers=headers)
    assert (other.status_code, wrong(other)) == (422, "header Idempotency-Key")
    somebody_else = {**body, "user_id": KNOWN + 1}
    assert get("/feedback", "POST", json=somebody_else, headers=headers).status_code == 503


def test_a_like_that_is_taken_back_leaves_the_ranking(
    get: Callable[..., httpx.Response], loaded: Context
) -> None:
    def ranked() -> list[float]:
        items = get("/recommendations/999?k=3").json()["items"]
        return [item["score"] for item in items]

    time_us = int(END.timestamp() * 1e6)
    popular = ranked()
    loaded.service.add(Contact(999, 24, time_us, liked=True))
    assert ranked() != popular
    loaded.service.add(Contact(999, 24, time_us + 1, liked=False, disliked=True))
    after = get("/recommendations/999?k=3").json()
    assert after["reason"] == "popular"
    assert 24 not in [item["movie_id"] for item in after["items"]]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/feedback"),
        ("POST", "/act"),
        ("POST", "/user"),
        ("POST", "/sign-in"),
        ("POST", "/models/rollback"),
        ("POST", "/admin/reload"),
        ("POST", "/recommendations/1"),
        ("PUT", "/nowhere"),
        ("DELETE", "/movies/1"),
    ],
)
def test_a_large_body_is_refused_on_every_route(
    get: Callable[..., httpx.Response], loaded: Context, method: str, path: str, chunked: bool
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 300

    content = parts() if chunked else b"x" * 1025
    large = get(path, method, content=content, headers={"X-Admin-Key": "secret"})
    assert (large.status_code, wrong(large)) == (413, "body")


def test_a_full_queue_and_a_large_body(
    get: Callable[..., httpx.Response], loaded: Context, waiting: list[int]
) -> None:
    large = get("/feedback", "POST", content=b"x" * 1025)
    assert (large.status_code, wrong(large)) == (413, "body")
    waiting[0] = 6
    full = get(f"/recommendations/{KNOWN}")
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert get("/health").status_code == get("/ready").status_code == 200


def test_administration_asks_for_the_key(
    get: Callable[..., httpx.Response], context: Context
) -> None:
    assert get("/admin/reload", "POST").status_code == 401
    assert get("/admin/reload", "POST", headers={"X-Admin-Key": "secre"}).status_code == 401
    before = context.folder.reload_asked()
    assert get("/admin/reload", "POST", headers={"X-Admin-Key": "secret"}).status_code == 202
    assert context.folder.reload_asked() != before


def test_other_addresses_and_methods(get: Callable[..., httpx.Response]) -> None:
    assert wrong(get("/nowhere")) == "address"
    assert get("/feedback").status_code == 405
    assert get("/recommendations/1", "DELETE").status_code == 405


def test_counters(get: Callable[..., httpx.Response], loaded: Context) -> None:
    get(f"/recommendations/{KNOWN}")
    get(f"/recommendations/{KNOWN}")
    text = get("/metrics").text
    for name in ("serving_request_seconds_bucket", "serving_cache_total", "serving_answers_total"):
        assert name in text
    assert 'reason="personal",version="1"' in text


def test_a_worker_with_a_model_needs_nothing_heavy(bundle: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import movie_recommender.serving.server, movie_recommender.serving.worker
import movie_recommender.serving.keeper
from movie_recommender.serving.model import ServedModel
ServedModel(Path({str(bundle)!r}), version=1)
heavy = {{"torch", "mlflow", "sklearn", "implicit", "onnx", "pandas", "scipy", "duckdb"}}
heavy |= {{"deltalake"}}
sys.stdout.write(" ".join(sorted(heavy & set(sys.modules))))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
