"""Whether deploy/compose.yaml says what it must; deploy/check.py has Compose itself read it."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from mlflow import environment_variables as mlflow_variables

from movie_recommender.cli import app
from movie_recommender.settings import Settings, load_settings
from tests.composition import COMPOSE, ROOT, composition, ours

SERVICES: dict[str, Any] = composition()["services"]
OURS = ours(SERVICES)
AIRFLOW = {name for name in OURS if name.startswith("airflow-")}
SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}

AIRFLOW_OPTIONS = """
import json
from airflow.configuration import conf
sections = conf.configuration_description
print(json.dumps({name: list(section["options"]) for name, section in sections.items()}))
"""

# Read by the client libraries of the lake and of MLflow's artifact store, by libpq, by dumb-init,
# and by deploy/access.
OTHERS = {
    *(f"AIRFLOW_{role}_PASSWORD" for role in ("ADMIN", "OPERATOR", "VIEWER")),
    *(f"MLFLOW_{role}_PASSWORD" for role in ("AUTH_ADMIN", "PIPELINE", "SERVING", "VIEWER")),
    "FORWARDED_ALLOW_IPS",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_ALLOW_HTTP",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "DUMB_INIT_SETSID",
    *("PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGUSER"),
}


def variables(service: dict[str, Any]) -> dict[str, str]:
    """What the entrypoint gives the command: secrets by their own names."""
    return {
        name.removeprefix("FILE__"): value for name, value in service.get("environment", {}).items()
    }


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?$", SERVICES[name]["image"])


def test_only_the_pages_are_published_and_only_here() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert published == {
        "airflow-api-server": ["127.0.0.1:8080:8080"],
        "grafana": ["127.0.0.1:3000:3000"],
        "mlflow": ["127.0.0.1:5000:5000"],
        "serving": ["127.0.0.1:8000:8000"],
    }
    assert composition()["networks"]["inside"]["internal"] is True
    # Who is on the other network too is published, or has to reach the world: for alerts.
    both = {name for name, each in SERVICES.items() if "outside" in each["networks"]}
    assert both == published.keys() | AIRFLOW | {"alertmanager", "cli"}


@pytest.fixture(scope="module")
def airflow_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Airflow's options by section, from a process of its own: it makes a home when it is asked."""
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))}
    command = [sys.executable, "-c", AIRFLOW_OPTIONS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", OURS)
def test_every_variable_means_something(name: str, airflow_options: dict[str, list[str]]) -> None:
    for variable in variables(OURS[name]):
        if variable.startswith("AIRFLOW__"):
            section, _, option = variable.removeprefix("AIRFLOW__").lower().partition("__")
            # The Celery provider isn't installed here; its section is its own.
            known = section == "celery" or option in airflow_options[section]
            assert known, variable
        elif variable.startswith("MLFLOW_") and variable not in {*SETTINGS, *OTHERS}:
            assert hasattr(mlflow_variables, variable), variable
        elif not variable.startswith("AIRFLOW_CONN_"):
            assert variable in SETTINGS or variable in OTHERS, variable


def test_no_default_that_means_this_machine_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    local = {
        name
        for name, field in SETTINGS.items()
        if re.search(r"localhost|127\.0\.0\.1", str(field.default))
    }
    assert {"KAFKA_BOOTSTRAP_SERVERS", "MLFLOW_TRACKING_URI", "SERVING_HOST"} <= local
    listens = {"SERVING_HOST": "serving", "EXPORTER_HOST": "exporter"}
    for name, service in listens.items():
        assert variables(OURS[service])[name] == "0.0.0.0"
    local -= listens.keys()
    assert local <= variables(OURS["serving"]).keys()
    needed = local | {"DATA_LAKE_PATH", "SERVING_URL"}
    for name in AIRFLOW | {"cli", "exporter"}:
        assert needed <= variables(OURS[name]).keys(), name


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in variables(OURS[name]).items():
        monkeypatch.setenv(variable, value)
    load_settings()


@pytest.mark.parametrize("name", OURS)
def test_addresses_name_services_it_waits_for(name: str) -> None:
    text = json.dumps({k: v for k, v in OURS[name].items() if k in ("environment", "command")})
    hosts = set(re.findall(r"(?:://|@)([a-z][a-z0-9-]*):\d+", text)) - {"localhost"}
    assert hosts <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_whoever_runs_on_is_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    once = service["restart"] == "no"
    assert once == (name in {"airflow-init", "cli", "mlflow-database", "mlflow-init"})
    assert once or "test" in service["healthcheck"]


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_and_volumes_are_there(name: str) -> None:
    whole, service = composition(), SERVICES[name]
    used = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service)))
    assert used <= set(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= whole["secrets"].keys()
    volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
    assert {each for each in volumes if not each.startswith(".")} <= whole["volumes"].keys()
    for each in volumes:
        assert not each.startswith(".") or (COMPOSE.parent / each).exists()


def test_what_is_ours_has_no_right_that_it_doesnt_need() -> None:
    for service in OURS.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert {name for name, each in OURS.items() if each.get("read_only")} == {
        *("exporter", "mlflow", "serving"),
    }


def test_every_command_is_one_that_exists() -> None:
    known = {*typer.main.get_command(app).commands, "--help"}  # type: ignore[attr-defined]
    for name, service in OURS.items():
        program, command, *_ = [*service["command"], ""]
        # The others are started by tests/integration/test_composition.py, but for Celery's.
        assert program != "movie-recommender" or command in known, name


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A copy of deploy/make-secrets, which writes beside itself."""
    shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path)
    return tmp_path


def make(directory: Path) -> dict[str, str]:
    subprocess.run([directory / "make-secrets"], check=True, capture_output=True)
    return {path.name: path.read_text() for path in (directory / "secrets").iterdir()}


def test_the_secrets_are_made_once_and_for_the_owner_alone(secrets: Path) -> None:
    made = make(secrets)
    assert made.keys() == composition()["secrets"].keys()
    assert {name for name, value in made.items() if not value} == {
        *("slack_connection", "slack_webhook_url", "smtp_connection"),
        *("serving_api_keys", "serving_client_key"),
    }
    values = [value for value in made.values() if value]
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 32
    assert stat.S_IMODE((secrets / "secrets").stat().st_mode) == 0o700
    (secrets / "secrets" / "slack_connection").chmod(0o600)
    (secrets / "secrets" / "slack_connection").write_text("{}")
    assert make(secrets) == {**made, "slack_connection": "{}"}


def test_the_fernet_key_is_one(secrets: Path) -> None:
    from cryptography.fernet import Fernet

    Fernet(make(secrets)["airflow_fernet_key"])


def test_mlflow_answers_those_who_ask_it() -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    server = variables(OURS["mlflow"])
    allowed = server["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    client = variables(OURS["serving"])["MLFLOW_TRACKING_URI"].removeprefix("http://")
    for host in (client, "localhost:5000", "127.0.0.1:5000"):
        assert is_allowed_host_header(allowed, host), host
    assert not is_allowed_host_header(allowed, "evil.example:5000")


def test_the_example_shows_every_variable_with_its_default() -> None:
    example = (COMPOSE.parent / ".env.example").read_text()
    shown = dict(re.findall(r"^# ([A-Z0-9_]+)=(.*?)(?: {2,}#.*)?$", example, re.MULTILINE))
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))
    del used["KAFKA_CLUSTER_ID"]  # another one makes a broker of its volume that can't read it
    assert shown == used
