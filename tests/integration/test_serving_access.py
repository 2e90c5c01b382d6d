"""A real server with keys, with slow clients, and with a collector of traces."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr

from movie_recommender.errors import NotReadyError
from movie_recommender.local import ports
from movie_recommender.registry.smoke import Serving
from movie_recommender.settings import Settings
from tests.serving_process import ServingProcess, begin_with, settings_of_nothing
from tests.unit.serving.conftest import bundle, dataset  # noqa: F401  (fixtures)

pytestmark = pytest.mark.integration

READ, ADMIN = "reads-and-nothing-else", "may-do-everything"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of_nothing(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def serving(
    settings: Settings,
    bundle: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServingProcess]:
    directory = tmp_path_factory.mktemp("serving")
    begin_with(bundle, settings, directory)
    keys = directory / "keys"
    keys.write_text(f"# who may what\npromotion:read:{READ}\nops:admin:{ADMIN}\n")
    options = {"serving_api_keys_file": keys, "serving_client_timeout_s": 1}
    options |= {"serving_cors_origins": "https://shop.example", "serving_queue": 8}
    with ServingProcess(settings, directory, **options) as server:
        server.wait(lambda ready: ready["ready"])
        yield server


def test_promotion_shows_its_key(serving: ServingProcess) -> None:
    with closing(Serving(serving.url, timeout_s=20, key=SecretStr(READ))) as client:
        client.confirm(1)
    with closing(Serving(serving.url, timeout_s=20)) as client:
        with pytest.raises(NotReadyError, match="401: SERVING_CLIENT_KEY must hold"):
            client.confirm(1)


def test_preflights_of_other_sites_take_no_room(serving: ServingProcess) -> None:
    headers = {"access-control-request-method": "POST", "origin": "https://shop.example"}
    for _ in range(40):  # more than both workers' queues hold
        asked = httpx.options(f"{serving.url}/feedback", headers=headers)
        assert asked.headers["access-control-allow-origin"] == "https://shop.example"
    for _ in range(10):
        got = httpx.get(f"{serving.url}/movies/popular", headers={"x-api-key": READ})
        assert got.status_code == 200


def test_workers_share_sessions_and_no_secret_is_logged(serving: ServingProcess) -> None:
    begun = httpx.post(f"{serving.url}/sign-in", data={"key": READ})
    cookie = begun.headers["set-cookie"].partition(";")[0]
    for _ in range(8):  # each its own connection, of whichever worker
        assert httpx.get(f"{serving.url}/movies/3", headers={"cookie": cookie}).status_code == 200
    wrong = httpx.post(f"{serving.url}/admin/reload", headers={"X-Admin-Key": READ})
    assert wrong.status_code == 403
    log = serving.log.read_text() + httpx.get(f"{serving.url}/metrics").text
    assert not [secret for secret in (READ, ADMIN, cookie.partition("=")[2]) if secret in log]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /hea", b""),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: ", b""),
        (b"\r\n", b""),
        (b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkey", b"408"),
        (b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nke", b"408"),
    ],
)
def test_a_slow_client_is_given_up(serving: ServingProcess, sent: bytes, status: bytes) -> None:
    began = time.monotonic()
    with socket.create_connection((ports.LOOPBACK, serving.port), timeout=10) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert 0.8 < time.monotonic() - began < 4
    assert answer[9:12] == status


def send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)
        time.sleep(0.01)


def test_a_client_that_does_not_read_is_given_up(serving: ServingProcess) -> None:
    ask = b"GET /static/page.css HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((ports.LOOPBACK, serving.port), timeout=10) as connection:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            send_for_ever(connection, 30 * ask)
    assert time.monotonic() - began < 8


class Collector:
    """An OTLP receiver over HTTP that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        found = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                found.take(self.path, ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer((ports.LOOPBACK, 0), Handler)
        self.url = f"http://{ports.LOOPBACK}:{self.server.server_port}"

    def take(self, path: str, request: ExportTraceServiceRequest) -> None:
        assert path == "/v1/traces"
        for resource in request.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(about["service.name"])
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def attributes(span: Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_span_of_each_request_and_of_no_user(
    settings: Settings,
    bundle: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    begin_with(bundle, settings, tmp_path)
    collector = Collector()
    with collector.running():
        options = {"otel_exporter_otlp_endpoint": collector.url, "serving_workers": 1}
        with ServingProcess(settings, tmp_path, **options) as server:
            server.wait(lambda ready: ready["ready"])
            trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
            headers = {"traceparent": f"00-{trace}-{parent}-01"}
            server.client.get("/recommendations/777777", headers=headers)
            server.client.get("/recommendations/777777/explain?genre=Odd")
            server.client.get("/recommendations/777777?k=0")
            server.client.post("/feedback", content=b"{")
            server.client.get("/nowhere/777777")
        # The server has ended: what was left came before.
    found = {span.name: span for span in collector.spans}
    assert collector.services == {"movie-recommender"}
    ours = found["GET /recommendations/{user_id}/explain"]
    assert attributes(ours) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/recommendations/{user_id}/explain",
        "movie_recommender.model.version": 1,
    }
    assert ours.kind == Span.SPAN_KIND_SERVER
    assert 0 < ours.end_time_unix_nano - ours.start_time_unix_nano < 10**10
    lists = [span for span in collector.spans if span.name == "GET /recommendations/{user_id}"]
    statuses = [attributes(span)["http.response.status_code"] for span in lists]
    assert statuses == [200, 422]
    assert (lists[0].trace_id.hex(), lists[0].parent_span_id.hex()) == (trace, parent)
    assert attributes(found["POST /feedback"])["http.response.status_code"] == 422
    assert "http.route" not in attributes(found["GET"])
    assert b"777777" not in b"".join(span.SerializeToString() for span in collector.spans)


def test_a_collector_that_is_away_holds_nothing_up(
    settings: Settings,
    bundle: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    begin_with(bundle, settings, tmp_path)
    options = {"otel_exporter_otlp_endpoint": "http://127.0.0.1:9", "serving_workers": 1}
    with ServingProcess(settings, tmp_path, **options) as server:
        server.wait(lambda ready: ready["ready"])
        began = time.monotonic()
        for _ in range(50):
            server.recommend(3)
        assert time.monotonic() - began < 5
        began = time.monotonic()
    assert time.monotonic() - began < 12
