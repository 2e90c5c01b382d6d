"""A real MLflow server with basic-auth: each user may what its role says, and no more."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from movie_recommender import registry
from movie_recommender.errors import NotReadyError
from movie_recommender.local import mlflow_server, ports, process
from movie_recommender.registry import Registry
from movie_recommender.serving.registry_api import Production, RegistryApi
from movie_recommender.settings import Settings, load_settings
from tests.tiny_bundle import write_tiny_bundle

pytestmark = pytest.mark.integration

ACCESS = Path(__file__).parents[2] / "deploy" / "access"
MODEL = "guarded"
POSTGRESQL = "postgresql+psycopg2://"
PIPELINE, SERVING, VIEWER = "pipeline", "serving", "viewer"


@dataclass
class Guarded:
    """An MLflow server that asks who is there."""

    url: str
    directory: Path

    def make_roles(self, **changes: str) -> None:
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": self.url,
            "MODEL_NAME": MODEL,
            "MLFLOW_AUTH_ADMIN_PASSWORD": password("admin"),
            **{f"MLFLOW_{who.upper()}_PASSWORD": password(who) for who in (SERVING, VIEWER)},
            "MLFLOW_PIPELINE_PASSWORD": password(PIPELINE),
            **changes,
        }
        script = [sys.executable, str(ACCESS / "mlflow_roles.py")]
        done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def settings(self, user: str | None, **changes: object) -> Settings:
        known = {"mlflow_tracking_username": user, "mlflow_tracking_password": password(user or "")}
        values = {"mlflow_tracking_uri": self.url, "model_name": MODEL} | (known if user else {})
        return load_settings(**values | changes)


def password(user: str) -> str:
    return f"the-password-of-{user}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    port = ports.choose(0)
    # The same, with the users on this disk.
    config = (ACCESS / "mlflow_auth.ini").read_text()
    (directory / "auth.ini").write_text(config.replace(POSTGRESQL, f"sqlite:///{directory}/u.db"))
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
        *("--host", ports.LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
    ]
    environment = {
        **os.environ,
        "MLFLOW_AUTH_CONFIG_PATH": str(directory / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password("admin"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of tests",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    log, pidfile = directory / "log", directory / "pid"
    server = process.start(command, pidfile=pidfile, log=log, env=environment, cwd=directory)
    url = f"http://{ports.LOOPBACK}:{port}"
    try:
        process.wait_until(
            lambda: mlflow_server.answers(url), server, name="MLflow", log=log, timeout_s=120
        )
        guarded = Guarded(url, directory)
        guarded.make_roles()
        yield guarded
    finally:
        process.end(pidfile, grace_s=5)


@pytest.fixture(autouse=True)
def nobodys_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client takes them from the environment, where `Registry` puts them: put back."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def promoted(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What the pipeline does: a run, two versions, the first in production."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.setenv(name, "")
        settings = guarded.settings(PIPELINE)
        client = Registry(settings)
        run_id = client.start_run("a run", params={"dim": 8}, tags={})
        client.log_metrics(run_id, {"auc": 0.9}, step=0, time_ms=0)
        bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "bundle")
        for _ in range(2):
            client.register(run_id, bundle, tags={"training_key": "k"})
        assert registry.promote(settings, version=1).version == 1
    return settings


def production(settings: Settings, directory: Path | None = None) -> Production:
    """What serving finds in production, and its bundle in a directory that it makes."""
    api = RegistryApi(settings)
    with contextlib.closing(api):
        found = api.production()
        assert found is not None
        if directory is not None:
            api.download(found, directory)
        return found


def test_the_pipeline_promotes_and_goes_back(promoted: Settings, tmp_path: Path) -> None:
    assert registry.promote(promoted, version=2).previous == 1
    assert registry.rollback(promoted).version == 1
    Registry(promoted).download(2, tmp_path)
    # Taken back where nothing was in production before: an alias is deleted.
    Registry(promoted).delete_alias("previous")
    nobody = promoted.model_copy(
        update={"serving_url": "http://127.0.0.1:9", "serving_timeout_s": 0.2}
    )
    with pytest.raises(NotReadyError, match="Production is version 1 again"):
        registry.promote(nobody, version=2, by_hand=True)


def test_serving_reads_the_bundle_and_cannot_move_an_alias(
    guarded: Guarded, promoted: Settings, tmp_path: Path
) -> None:
    settings = guarded.settings(SERVING)
    found = production(settings, tmp_path / "bundle")
    for change in (
        lambda client: client.set_alias("production", 2),
        lambda client: client.set_tag(2, "rolled_back", "true"),
        lambda client: client.log_metrics(found.run_id, {"auc": 1.0}, step=1, time_ms=1),
    ):
        with pytest.raises(NotReadyError, match="a user who may do this"):
            change(Registry(settings))
    assert production(settings) == found


def test_a_viewer_sees_everything_and_changes_nothing(guarded: Guarded, promoted: Settings) -> None:
    client = Registry(guarded.settings(VIEWER))
    assert [version.version for version in client.versions()] == [2, 1]
    assert client.metric_history(client.get(1).run_id, "auc") == [(0, 0.9)]
    with pytest.raises(NotReadyError, match="a user who may do this"):
        client.delete_alias("production")


@pytest.mark.parametrize("wrong", [{}, {"mlflow_tracking_password": "not-the-password"}])
def test_without_the_right_password_ours_is_the_error(
    guarded: Guarded, promoted: Settings, wrong: dict[str, str]
) -> None:
    settings = guarded.settings(PIPELINE if wrong else None, **wrong)
    named = f"MLFLOW_TRACKING_URI={guarded.url} .*MLFLOW_TRACKING_USERNAME and"
    for ask in (Registry(settings).versions, lambda: production(settings)):
        with pytest.raises(NotReadyError, match=named) as caught:
            ask()
        assert "not-the-password" not in str(caught.value)


def test_whoever_has_no_role_sees_nothing_and_only_the_admin_makes_users(
    guarded: Guarded, promoted: Settings
) -> None:
    create, admin = "/api/2.0/mlflow/users/create", ("admin", password("admin"))
    body = {"username": "eve", "password": password("eve")}
    for user in (PIPELINE, SERVING, VIEWER):
        answer = httpx.post(f"{guarded.url}{create}", json=body, auth=(user, password(user)))
        assert answer.status_code == httpx.codes.FORBIDDEN, answer.text
    assert httpx.post(f"{guarded.url}{create}", json=body, auth=admin).is_success
    with pytest.raises(NotReadyError, match="a user who may do this"):
        Registry(guarded.settings("eve")).versions()


def test_the_script_again_takes_a_new_password(guarded: Guarded, promoted: Settings) -> None:
    new = "another-password-of-serving"
    guarded.make_roles(MLFLOW_SERVING_PASSWORD=new)
    with pytest.raises(NotReadyError, match="MLFLOW_TRACKING_USERNAME"):
        production(guarded.settings(SERVING))
    assert production(guarded.settings(SERVING, mlflow_tracking_password=new)).version == 1
