"""A real S3 server (Versity S3 Gateway) on a directory of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from movie_recommender.local import ports, process

GATEWAY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
PROGRAMS = Path(__file__).parent.parent / "var" / "cache" / "s3"
BUCKET = "events"


def program() -> Path:
    """The server's program, compiled once by Go (1 to 2 minutes).

    Raises:
        pytest.skip.Exception: there is neither the program nor Go.
    """
    found = shutil.which("versitygw", path=f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}")
    if found:
        return Path(found)
    if shutil.which("go") is None:
        pytest.skip("no S3 server: put versitygw into the PATH, or install Go to compile it")
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    with FileLock(PROGRAMS / "lock"):
        environment = {**os.environ, "GOBIN": str(PROGRAMS)}
        subprocess.run(["go", "install", GATEWAY], env=environment, check=True, timeout=900)
    return PROGRAMS / "versitygw"


class S3Server:
    """The running server.

    Attributes:
        variables: what a client needs in its environment.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pidfile = directory / "pid"
        self.url = f"http://{ports.LOOPBACK}:{ports.choose(0)}"
        self.variables = {
            "AWS_ACCESS_KEY_ID": "an-access-key-of-tests",
            "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-see",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }
        (directory / "data" / BUCKET).mkdir(parents=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._directory / "log"
        address = self.url.removeprefix("http://")
        started = process.start(
            [program(), "--port", address, "posix", self._directory / "data"],
            pidfile=self._pidfile,
            log=log,
            env={
                **os.environ,
                "ROOT_ACCESS_KEY": self.variables["AWS_ACCESS_KEY_ID"],
                "ROOT_SECRET_KEY": self.variables["AWS_SECRET_ACCESS_KEY"],
            },
            cwd=self._directory,
        )
        process.wait_until(self._answers, started, name="S3", log=log, timeout_s=30)

    def stop(self) -> None:
        """End it."""
        process.end(self._pidfile, grace_s=5)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Takes connections and answers none."""
        found = process.running(self._pidfile)
        for one in found:
            one.suspend()
        try:
            yield
        finally:
            for one in found:
                one.resume()

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=1).status_code < 500
        except httpx.TransportError:
            return False
