"""A server of any answers, and a case of the test's own paths."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from movie_recommender.doctor import Case
from movie_recommender.settings import Settings, load_settings

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


class Server:
    """Answers each (method, path) by `answers`, else 404; its clock is `ahead` of `NOW`."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.ahead = timedelta(0)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                server.asked.append((self.command, path))
                status, text = server.answers.get((self.command, path), (404, "unknown"))
                self.send_response_only(status)
                self.send_header("Date", format_datetime(NOW + server.ahead, usegmt=True))
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_DELETE = do_POST = answer

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    """Makes a case whose lake and store are the test's own."""

    def make(**settings: object) -> Case:
        own = {
            "data_lake_path": str(tmp_path / "lake"),
            "feature_store_path": tmp_path / "features" / "store.duckdb",
            "kafka_bootstrap_servers": "127.0.0.1:9",
            "kafka_timeout_s": 0.5,
            "mlflow_tracking_uri": "http://127.0.0.1:9",
        }
        return Case(load_settings(**{**own, **settings}), clock=lambda: NOW)

    return make
