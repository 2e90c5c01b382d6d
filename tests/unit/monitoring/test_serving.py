"""What `/ready` says, read from the application's own answer."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring import serving
from movie_recommender.monitoring.serving import ServingFacts
from movie_recommender.settings import load_settings

READY: dict[str, Any] = {
    "ready": True,
    "model": {"version": 4},
    "workers": [{"pid": 1, "version": 4, "snapshot_id": "s"}, {"pid": 2, "version": None}],
    "store": {"ok": True, "snapshot_id": "s"},
    "degraded": ["kafka: gone"],
}


@pytest.fixture
def answers() -> Iterator[dict[str, Any]]:
    """A server that gives this at every path; `url` is its address."""
    told: dict[str, Any] = {"body": READY, "status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(told["status"])
            self.end_headers()
            self.wfile.write(json.dumps(told["body"]).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    told["url"] = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def test_versions_of_all_workers_and_what_is_gone_are_told(answers: dict[str, Any]) -> None:
    found = serving.read(load_settings(serving_url=answers["url"]))
    assert found == ServingFacts(True, 4, [4, None], "s", ["kafka: gone"])


def test_one_that_is_not_ready_is_told_all_the_same(answers: dict[str, Any]) -> None:
    answers |= {"status": 503, "body": {**READY, "ready": False, "model": None}}
    found = serving.read(load_settings(serving_url=answers["url"]))
    assert found is not None
    assert (found.ready, found.version) == (False, None)


def test_another_program_there_is_told(answers: dict[str, Any]) -> None:
    answers["body"] = ["hello"]
    with pytest.raises(NotReadyError, match="SERVING_URL=http"):
        serving.read(load_settings(serving_url=answers["url"]))


def test_without_an_address_serving_is_left_out() -> None:
    assert serving.read(load_settings()) is None
