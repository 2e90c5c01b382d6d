"""MLflow answers 500, resets, loses an answer or is late, at every call of what changes it."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender import registry
from movie_recommender.errors import NotReadyError
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings, load_settings
from tests.faulty_proxy import FAULTS, Fault, FaultyProxy
from tests.tiny_bundle import write_tiny_bundle

pytestmark = pytest.mark.integration

TIMEOUT_S = 1
ENOUGH_S = 3 * TIMEOUT_S + 3
"""Three tries of the request that fails, and what comes before it."""


@pytest.fixture(scope="module")
def proxy(mlflow: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(mlflow, late_s=TIMEOUT_S + 0.3)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def tries_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long MLflow's client waits between tries is not what is looked at here."""
    for name in ("FACTOR", "JITTER"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_BACKOFF_{name}", "0")


@pytest.fixture
def direct(mlflow: str, request: pytest.FixtureRequest) -> Settings:
    """A model of the test's own, past the proxy."""
    name = request.node.name.replace("[", "-").rstrip("]")
    return load_settings(mlflow_tracking_uri=mlflow, model_name=name, mlflow_timeout_s=10)


@pytest.fixture
def through(direct: Settings, proxy: FaultyProxy) -> Settings:
    """The same model, through the proxy."""
    return direct.model_copy(
        update={"mlflow_tracking_uri": proxy.url, "mlflow_timeout_s": TIMEOUT_S}
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def every_call(n_kills: tuple[int, int]) -> bool:
    """Whether there is time for all calls, or for the first and those that change something."""
    return n_kills[0] > 100


def state(client: Registry) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Aliases and tags of every version."""
    return {v.version: (v.aliases, tuple(sorted(v.tags))) for v in client.versions()}


def set_back(client: Registry) -> None:
    """Version 1 in production, as if the second had never been there."""
    client.set_alias("production", 1)
    if client.by_alias("previous") is not None:
        client.delete_alias("previous")
    for name in {"unconfirmed", "rolled_back"} & client.get(2).tags.keys():
        client.delete_tag(2, name)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_promotion_that_fails_is_as_if_begun_or_done_and_ends_the_same_again(
    proxy: FaultyProxy,
    direct: Settings,
    through: Settings,
    bundle: Path,
    fault: Fault,
    every_call: bool,
) -> None:
    client = Registry(direct)
    run_id = client.start_run("a run", params={}, tags={})
    for _ in range(2):
        client.register(run_id, bundle, tags={})
    client.set_alias("production", 1)
    with proxy.failing(None, 1):
        wanted = registry.promote(through, version=2)
        calls = list(proxy.calls)
    done = state(client)
    assert (wanted.version, wanted.previous) == (2, 1)

    changes = [n for n, call in enumerate(calls, 1) if not call.startswith("GET")]
    for first in range(1, len(calls) + 1) if every_call else [1, *changes]:
        set_back(client)
        began = time.monotonic()
        # A late answer costs its time: once, and then the next try is in time.
        with proxy.failing(fault, first, last=first if fault == "late" else None), told():
            registry.promote(through, version=2)
        assert time.monotonic() - began < ENOUGH_S, calls[first - 1]
        aliases = [version.aliases for version in client.versions()]
        assert sum("production" in names for names in aliases) == 1, calls[first - 1]
        assert registry.promote(direct, version=2).previous == 1
        assert state(client) == done, calls[first - 1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_registration_that_fails_leaves_no_version_or_a_whole_one(
    proxy: FaultyProxy,
    direct: Settings,
    through: Settings,
    bundle: Path,
    fault: Fault,
    tmp_path: Path,
) -> None:
    client = Registry(direct)
    run_id = client.start_run("a run", params={}, tags={})
    with proxy.failing(None, 1):
        Registry(through).register(run_id, bundle, tags={})
        n_calls = len(proxy.calls)
    for first in range(1, n_calls + 1):
        before = {version.version for version in client.versions()}
        with proxy.failing(fault, first, last=first if fault == "late" else None), told():
            Registry(through).register(run_id, bundle, tags={})
        for version in {version.version for version in client.versions()} - before:
            client.download(version, tmp_path / f"{first}-{version}")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """If it fails, then with our own error that names the server."""
    try:
        yield
    except NotReadyError as error:
        assert "MLFLOW_TRACKING_URI=" in str(error)  # noqa: PT017
