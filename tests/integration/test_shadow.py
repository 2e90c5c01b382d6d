"""A candidate in production's shadow, with a real broker, a real MLflow and a real server."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from movie_recommender import kafka, registry
from movie_recommender.events import INTERACTIONS, PARTITIONS
from movie_recommender.registry import Registry
from movie_recommender.serving.batch import recommend_all
from movie_recommender.settings import Settings
from tests.serving_process import ServingProcess, movie_ids, settled

pytestmark = pytest.mark.integration

USERS = range(20, 40)


@pytest.fixture(scope="module")
def world(two_versions: Callable[..., Settings]) -> Settings:
    """A published store and two trained versions, the first in production."""
    settings = two_versions("shadowed")
    registry.promote(settings, version=1)
    return settings


@pytest.fixture(scope="module")
def serving(world: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    kafka.ensure_topics(world, {INTERACTIONS.topic: PARTITIONS})
    directory = tmp_path_factory.mktemp("serving")
    with ServingProcess(world, directory, serving_shadow_share=1.0) as server:
        server.wait(settled)
        yield server


def counter(serving: ServingProcess, name: str, **labels: str) -> float:
    """Sum of a counter over all labels that aren't given."""
    total = 0.0
    for line in serving.client.get("/metrics").text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            total += float(found[2])
    return total


def wait_until(holds: Callable[[], bool], *, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_shadow_is_counted_and_never_shown(serving: ServingProcess, world: Settings) -> None:
    before = {user: movie_ids(serving.recommend(user)) for user in USERS}
    assert registry.set_shadow(world, version=2) is None

    def ranked() -> float:
        answers = {user: serving.recommend(user) for user in USERS}
        assert {answer["model_version"] for answer in answers.values()} == {1}
        assert {user: movie_ids(answer) for user, answer in answers.items()} == before
        return counter(serving, "serving_shadow_agreement_count", production="1", shadow="2")

    wait_until(lambda: ranked() > 0)
    liked = {"event_type": "like", "user_id": 21, "movie_id": before[21][0]}
    serving.recommend(21)
    time.sleep(0.3)  # the shadow's own pace
    assert serving.client.post("/feedback", json=liked).status_code == 202
    name = "serving_shadow_likes_total"
    wait_until(
        lambda: counter(serving, name, list="both") + counter(serving, name, list="production") >= 1
    )
    page = serving.client.get("/models", headers={"accept": "text/html"}).text
    assert "Version 2 ranks 100 % of the lists" in page
    assert "In the shadow&#39;s list" in page or "In the shadow's list" in page


def test_a_shadow_that_is_damaged_or_gone_touches_nobody(
    serving: ServingProcess, world: Settings, tmp_path: Path
) -> None:
    client = Registry(world)
    bundle, _ = client.download(2, tmp_path)
    run_id = client.start_run("damaged", params={}, tags={})
    damaged = client.register(run_id, bundle, tags={})
    (bundle / "scorer.onnx").write_bytes(b"altered")
    client._client.log_artifact(run_id, str(bundle / "scorer.onnx"), "bundle")
    registry.set_shadow(world, version=damaged)
    browser = {"accept": "text/html"}
    wait_until(
        lambda: "scorer.onnx was altered" in serving.client.get("/models", headers=browser).text
    )
    assert serving.recommend(30)["model_version"] == 1
    assert serving.ready()["degraded"] == []
    # Promotion isn't kept from its way by it, and a promoted shadow casts none.
    served = world.model_copy(update={"serving_url": serving.url})
    registry.set_shadow(world, version=2)
    assert registry.promote(served, version=2).version == 2
    assert registry.set_shadow(world, version=None) == 2
    assert registry.set_shadow(world, version=None) is None
    assert serving.recommend(30)["model_version"] == 2
    assert registry.rollback(served).version == 1


def test_lists_for_everybody_are_the_servers(
    serving: ServingProcess, world: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "lists.parquet"
    result = recommend_all(world, path, k=10)
    rows = {row["user_id"]: row for row in pq.read_table(path).to_pylist()}
    assert (result.model_version, result.users) == (1, len(rows))
    assert result.snapshot_id == serving.ready()["store"]["snapshot_id"]
    for user in range(41, 60):  # nothing was posted of them
        answer = serving.recommend(user)
        assert rows[user]["movie_ids"] == movie_ids(answer)
        assert rows[user]["reason"] == answer["reason"]
