"""Promotion, serving and feedback with a real broker, a real MLflow and a real server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer

from movie_recommender import kafka, registry
from movie_recommender.errors import NotReadyError, RegistryError
from movie_recommender.events import INTERACTIONS, PARTITIONS
from movie_recommender.local import mlflow_server, ports, process
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings
from tests.genres import genre_of, train
from tests.serving_process import ServingProcess, movie_ids, settled

pytestmark = pytest.mark.integration

NOBODY = 10**15


@pytest.fixture(scope="module")
def world(two_versions: Callable[..., Settings]) -> Settings:
    """A published store and two trained versions, neither of them promoted."""
    return two_versions("served")


@pytest.fixture(scope="module", autouse=True)
def topic(world: Settings) -> None:
    kafka.ensure_topics(world, {INTERACTIONS.topic: PARTITIONS})


@pytest.fixture(scope="module")
def serving(world: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    with ServingProcess(world, tmp_path_factory.mktemp("serving")) as server:
        yield server


@pytest.fixture(scope="module")
def served(world: Settings, serving: ServingProcess) -> Settings:
    """Settings of whoever promotes."""
    return world.model_copy(update={"serving_url": serving.url})


def sent(settings: Settings) -> Iterator[dict]:
    """Every event in the topic `interactions`, by and by; ends when none comes for a while."""
    consumer = Consumer(
        kafka.client_config(settings, group_id="reader", auto_offset_reset="earliest")
    )
    consumer.subscribe([kafka.topic_name(settings, INTERACTIONS.topic)])
    try:
        while (message := consumer.poll(6)) is not None:
            assert message.error() is None
            yield json.loads(message.value())
    finally:
        consumer.close()


def wait_for_reason(serving: ServingProcess, user_id: int, begins: str) -> dict:
    """The first answer with such a reason; a worker looks ten times a second."""
    for _ in range(100):
        answer = serving.recommend(user_id)
        if answer["reason"].startswith(begins) and ";" not in answer["reason"][len(begins) :]:
            return answer
        time.sleep(0.05)
    pytest.fail(str(answer))


def test_from_nothing_to_the_next_event(serving: ServingProcess, served: Settings) -> None:
    # Before any model: alive, not ready, and a request learns why.
    assert serving.client.get("/health").status_code == 200
    assert serving.client.get("/ready").status_code == 503
    early = serving.client.get("/recommendations/3")
    assert early.status_code == 503
    assert early.headers["retry-after"] == "5"
    assert "no model yet" in early.json()["error"]["what"]

    promoted = registry.promote(served, version=1)
    assert (promoted.changed, promoted.serving) == (True, f"{serving.url} answers with it")
    state = serving.wait(settled)
    assert state["model"]["version"] == 1
    assert {worker["version"] for worker in state["workers"]} == {1}
    assert state["store"]["snapshot_id"] == state["model"]["snapshot_id"]
    assert state["degraded"] == []
    counted = serving.client.get("/metrics").text
    assert "serving_model_version 1.0" in counted
    assert "serving_model_version_newest 1.0" in counted

    # User 3 likes genre 3, of which he has met 17 of 20 movies.
    first = serving.recommend(3)
    assert first["reason"] == "personal"
    assert [genre_of(movie) for movie in movie_ids(first)[:3]] == [3, 3, 3]
    liked = first["items"][0]["movie_id"]
    body = {
        "event_type": "like",
        "user_id": 3,
        "movie_id": liked,
        "impression_id": first["impression_id"],
    }
    headers = {"Idempotency-Key": "click-1"}
    accepted = serving.client.post("/feedback", json=body, headers=headers)
    assert accepted.status_code == 202, accepted.text
    assert accepted.json()["counted"] is True
    again = serving.client.post("/feedback", json=body, headers=headers)
    assert again.json()["event_id"] == accepted.json()["event_id"]

    # Every worker knows of it at once: each has its own connections.
    for _ in range(8):
        with httpx.Client(base_url=serving.url) as other:
            after = other.get("/recommendations/3").json()
            assert liked not in movie_ids(after)
            assert [item["score"] for item in after["items"]] != [
                item["score"] for item in first["items"][1:]
            ]

    events = list(sent(served))
    feedback = [event for event in events if event["event_type"] == "like"]
    assert [event["event_id"] for event in feedback] == [accepted.json()["event_id"]] * 2
    assert feedback[0]["impression_id"] == first["impression_id"]
    shown = [event for event in events if event.get("impression_id") == first["impression_id"]]
    shown = sorted(
        (event["position"], event["movie_id"])
        for event in shown
        if event["event_type"] == "impression"
    )
    assert shown == list(enumerate(movie_ids(first)))


def test_an_unknown_user_becomes_a_known_one(serving: ServingProcess, served: Settings) -> None:
    assert serving.recommend(NOBODY)["reason"] == "popular"
    for movie in (100, 101, 102):
        body = {"event_type": "rating", "user_id": NOBODY, "movie_id": movie, "rating": 5}
        assert serving.client.post("/feedback", json=body).status_code == 202
    after = serving.recommend(NOBODY)
    assert after["reason"] == "new user with likes"
    assert [genre_of(movie) for movie in movie_ids(after)[:5]] == [5] * 5
    explained = serving.client.get(f"/recommendations/{NOBODY}/explain").json()
    assert movie_ids(explained) == movie_ids(after)
    because = {part["movie_id"] for part in explained["items"][0]["because"]}
    assert because == {100, 101, 102}


def test_mlflows_own_tools_load_it(world: Settings) -> None:
    code = f"""
import mlflow.pyfunc, pandas, sys
mlflow.set_tracking_uri({world.mlflow_tracking_uri!r})
model = mlflow.pyfunc.load_model("models:/{world.model_name}/1")
found = model.predict(pandas.DataFrame({{"user_id": [5, {NOBODY}]}}), params={{"k": 3}})
sys.stdout.write(found.to_json(orient="records"))
assert "torch" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    personal, popular = json.loads(run.stdout)
    # It knows what the training knew: his last three likes are still ahead.
    assert {genre_of(movie) for movie in personal["movie_ids"]} == {5}
    assert (personal["reason"], popular["reason"]) == ("personal", "popular")
    assert (personal["user_id"], popular["user_id"]) == (5, NOBODY)


def test_twenty_promotions_under_load(serving: ServingProcess, served: Settings) -> None:
    users = range(20, 40)
    expected: dict[int, dict[int, list[int]]] = {}
    for version in (1, 2):
        registry.promote(served, version=version, by_hand=True)
        expected[version] = {user: movie_ids(serving.recommend(user)) for user in users}
    assert expected[1] != expected[2]

    stop, failures, answered = threading.Event(), [], []

    def ask() -> None:
        with httpx.Client(base_url=serving.url) as client:
            while not stop.is_set():
                for user in users:
                    answer = client.get(f"/recommendations/{user}", params={"impressions": "false"})
                    found = answer.json()
                    version = found.get("model_version")
                    answered.append(version)
                    if answer.status_code != 200 or movie_ids(found) != expected[version][user]:
                        failures.append((answer.status_code, answer.text[:300]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        registry.promote(served, version=1 + number % 2, by_hand=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(answered) == {1, 2}


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_promotion_that_was_killed_is_ended_by_the_next_call(
    served: Settings, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """The nth thing that it says to the registry is its last."""
    for version in (1, 2):
        registry.promote(served, version=version, by_hand=True)
    said = 0

    def until_killed(method: Callable[..., None]) -> Callable[..., None]:
        def say(*arguments: object) -> None:
            nonlocal said
            said += 1
            if said >= nth:
                raise KeyboardInterrupt
            method(*arguments)

        return say

    with monkeypatch.context() as patch:
        for name in ("set_alias", "set_tag", "delete_tag"):
            patch.setattr(Registry, name, until_killed(getattr(Registry, name)))
        with pytest.raises(KeyboardInterrupt):
            registry.promote(served, version=1, by_hand=True)
    client = Registry(served)
    assert client.by_alias("production").version in (1, 2)  # type: ignore[union-attr]
    again = registry.promote(served, version=1, by_hand=True)
    assert (again.version, again.previous) == (1, 2)
    assert client.by_alias("previous").version == 2  # type: ignore[union-attr]
    assert "rolled_back" in client.get(2).tags
    assert not {"unconfirmed", "rolled_back"} & set(client.get(1).tags)


def test_a_version_that_serving_cannot_load_is_taken_back(
    serving: ServingProcess, served: Settings, tmp_path: Path
) -> None:
    registry.promote(served, version=1, by_hand=True)
    registry.promote(served, version=2, by_hand=True)
    client = Registry(served)
    bundle, _ = client.download(2, tmp_path)
    run_id = client.start_run("damaged", params={}, tags={})
    damaged = client.register(run_id, bundle, tags={})
    (bundle / "scorer.onnx").write_bytes(b"altered")
    client._client.log_artifact(run_id, str(bundle / "scorer.onnx"), "bundle")
    with pytest.raises(RegistryError, match=r"scorer\.onnx was altered.*is version 2 again"):
        registry.promote(served, version=damaged)
    assert client.by_alias("production").version == 2  # type: ignore[union-attr]
    assert client.by_alias("previous").version == 1  # type: ignore[union-attr]
    assert serving.recommend(5)["model_version"] == 2
    assert "unconfirmed" not in client.get(damaged).tags


def test_promotion_without_an_answer_changes_nothing(served: Settings) -> None:
    nobody = served.model_copy(
        update={"serving_url": "http://127.0.0.1:9", "serving_timeout_s": 0.5}
    )
    client = Registry(served)
    before = client.by_alias("production").version  # type: ignore[union-attr]
    with pytest.raises(NotReadyError, match=r"nobody answers.*Production is version 2 again"):
        registry.promote(nobody, version=1, by_hand=True)
    assert client.by_alias("production").version == before == 2  # type: ignore[union-attr]
    with pytest.raises(NotReadyError, match="Production is version 2 again"):
        registry.rollback(nobody)
    back = registry.rollback(served)
    assert (back.version, back.previous) == (1, 2)
    assert back.serving == f"{served.serving_url} answers with it"


def test_the_store_may_be_replaced_and_may_go(serving: ServingProcess, served: Settings) -> None:
    path = served.feature_store_path
    before = serving.ready()["store"]["snapshot_id"]
    aside = path.rename(path.with_suffix(".aside"))
    serving.wait(lambda ready: not ready["store"]["ok"])
    gone = wait_for_reason(serving, 7, "personal; feature store gone: contacts up to 2026-11-22")
    path.write_bytes(b"no DuckDB file at all")
    serving.wait(lambda ready: "damaged" in (ready["store"]["detail"] or ""))
    assert serving.recommend(7)["items"] == gone["items"]
    aside.replace(path)
    state = serving.wait(lambda ready: ready["store"]["ok"])
    assert state["store"]["snapshot_id"] == before
    wait_for_reason(serving, 7, "personal")


def test_a_killed_worker_is_replaced(serving: ServingProcess) -> None:
    workers = {worker["pid"] for worker in serving.ready()["workers"]}
    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    serving.client.close()
    serving.client = httpx.Client(base_url=serving.url, timeout=10)
    state = serving.wait(lambda ready: victim not in {worker["pid"] for worker in ready["workers"]})
    assert time.monotonic() - began < 5
    assert len(state["workers"]) == len(workers)


def test_without_mlflow_and_kafka_and_after_a_restart(
    served: Settings, tmp_path: Path, kafka: str
) -> None:
    directory = tmp_path / "own"
    port = ports.choose(0)
    mlflow_server.start(directory, port=port, pidfile=directory / "pid")
    url = f"http://{ports.LOOPBACK}:{port}"
    assert process.wait(lambda: mlflow_server.answers(url), timeout_s=120)
    own = served.model_copy(update={"mlflow_tracking_uri": url, "serving_url": ""})
    train(own, seed=0, epochs=8)
    registry.promote(own, version=1)
    with ServingProcess(own, tmp_path / "serving") as server:
        server.wait(settled)
        before = server.recommend(11)
        process.end(directory / "pid")
        server.wait(lambda ready: not ready["registry"]["ok"])
        note = "is the last good one"
        assert server.recommend(11)["items"] == before["items"]
        assert note in server.recommend(11)["reason"]
        server.stop()
        server.start()
        server.wait(settled)
        assert server.recommend(11)["items"] == before["items"]
    lost = own.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    with ServingProcess(lost, tmp_path / "serving", serving_feedback_timeout_s=1) as server:
        server.wait(lambda ready: settled(ready) and not ready["kafka"]["ok"])
        body = {"event_type": "like", "user_id": 11, "movie_id": 1}
        refused = server.client.post("/feedback", json=body)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["where"] == "kafka"
        assert server.recommend(11)["items"] == before["items"]
