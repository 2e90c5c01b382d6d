"""Whether deploy/Dockerfile can be built from what is here, and what its two scripts do."""

import fnmatch
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.composition import DOCKERFILE, ROOT, instructions

DEPLOY = ROOT / "deploy"
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    copied = [each.split() for each in instructions("COPY") if not each.startswith("--from")]
    sources = [source for *found, _ in copied for source in found]
    assert "src" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in kept), source


def test_every_stage_is_built_from_a_pinned_image() -> None:
    first, *stages = instructions("FROM")
    assert first == "${BASE_IMAGE}${BASE_DIGEST} AS base"
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.1[12]\.\d+-slim-\w+", base)
    made = {stage.split()[-1] for stage in [first, *stages]}
    known = made | {"scratch", "torch-${ACCELERATOR}"}
    assert {stage.split()[0] for stage in stages} <= known
    assert {"torch-cpu", "torch-gpu", "sbom"} <= made


def test_it_runs_as_nobody_special_and_says_how_it_is() -> None:
    assert instructions("USER") == ["50000:0"]
    assert instructions("HEALTHCHECK")


@pytest.mark.parametrize("name", ["image.txt", "torch.txt", "sbom.txt"])
def test_requirements_are_hashed(name: str) -> None:
    text = (DEPLOY / "requirements" / name).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all(PIN.match(entry) and "--hash=sha256:" in entry for entry in entries)


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
    lists = [(DEPLOY / "requirements" / name).read_text() for name in ("image.txt", "torch.txt")]
    packed = dict(PIN.findall("\n".join(lists)))
    direct = re.findall(r"^[a-z0-9-]+", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert set(direct) <= packed.keys()
    assert {name: packed[name] for name in packed.keys() & tested.keys()} == {
        name: tested[name] for name in packed.keys() & tested.keys()
    }
    assert not packed.keys() & {"pytest", "mypy", "ruff", "playwright"}


def test_the_gpu_is_one_list_and_nothing_else_needs_it() -> None:
    image, torch = ((DEPLOY / "requirements" / f"{n}.txt").read_text() for n in ("image", "torch"))
    cuda = ("torch", "triton", "nvidia-*", "cuda-*")
    for name in dict(PIN.findall(torch)):
        assert any(fnmatch.fnmatch(name, each) for each in cuda), name
    for name in dict(PIN.findall(image)):
        assert not any(fnmatch.fnmatch(name, each) for each in cuda), name


def entrypoint(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEPLOY / "image" / "entrypoint", *command],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p$w =\"d'\\\n")
    (tmp_path / "nothing").write_text("")
    done = entrypoint(
        "env",
        "-0",
        FILE__KAFKA_SASL_PASSWORD=str(tmp_path / "password"),
        FILE__AIRFLOW_CONN_SLACK_DEFAULT=str(tmp_path / "nothing"),
        SSL_CERT_FILE="/etc/ssl/ca.pem",
    )
    assert done.returncode == 0, done.stderr
    given = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert given["KAFKA_SASL_PASSWORD"] == "p$w =\"d'\\"
    assert given["SSL_CERT_FILE"] == "/etc/ssl/ca.pem"
    assert not any("FILE__" in name or "SLACK" in name for name in given)


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    done = entrypoint("true", FILE__PGPASSWORD=str(tmp_path / "gone"))
    assert done.returncode == 78
    assert f"FILE__PGPASSWORD={tmp_path}/gone" in done.stderr


def test_the_command_takes_the_place_of_the_entrypoint() -> None:
    assert entrypoint("bash", "-c", "exit 7").returncode == 7


class Answer(http.server.BaseHTTPRequestHandler):
    """/health says how Airflow is; everything else isn't there."""

    def do_GET(self) -> None:
        found = self.path == "/health"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b'{"scheduler": {"status": "healthy"}, "triggerer": {"status": null}}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("/health",), 0),
        (("/health", "scheduler.status=healthy"), 0),
        (("/health", "scheduler.status=healthy", "triggerer.status=healthy"), 1),
        (("/health", "dag_processor.status=healthy"), 1),
        (("/nowhere",), 1),
    ],
)
def test_health_is_what_the_server_says(server: str, arguments: tuple[str, ...], code: int) -> None:
    path, *expected = arguments
    done = subprocess.run(
        [DEPLOY / "image" / "healthy.py", f"{server}{path}", *expected],
        capture_output=True,
        text=True,
        check=False,
        # A proxy that nobody answers at isn't asked.
        env={**os.environ, "http_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == code, done.stderr
    assert bool(done.stderr) == bool(code)


def test_nobody_there_is_not_healthy() -> None:
    command = [DEPLOY / "image" / "healthy.py", "http://127.0.0.1:9/health"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
