"""A second model that ranks what was shown, and is never shown."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from movie_recommender.ranking import Dataset
from movie_recommender.serving import shadow as shadow_module
from movie_recommender.serving.cache import CacheFolder, ModelState
from movie_recommender.serving.journal import Contact, Journal
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.service import Answer, Service
from movie_recommender.serving.shadow import Shadow
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import begin, write_bundle
from tests.unit.serving.conftest import manifest
from tests.unit.worlds import END

QUERY = Query(k=5)


@pytest.fixture(scope="module")
def other_bundle(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model: one that hasn't been trained."""
    directory = tmp_path_factory.mktemp("candidate") / "bundle"
    write_bundle(directory, begin(dataset, TrainingConfig(dim=4, threads=1)))
    manifest(directory)
    return directory


@pytest.fixture(scope="module")
def candidate(other_bundle: Path) -> ServedModel:
    return ServedModel(other_bundle, version=2)


@pytest.fixture
def folder(tmp_path: Path, other_bundle: Path) -> CacheFolder:
    """It says that version 2 casts a shadow."""
    folder = CacheFolder(tmp_path / "cache")
    shutil.copytree(other_bundle, folder.bundles / "2-a")
    folder.say_shadow(ModelState(2, "bundles/2-a"))
    return folder


@pytest.fixture
def service(model: ServedModel, folder: CacheFolder) -> Iterator[Service]:
    service = Service(Journal(folder.journal), clock=lambda: END + timedelta(hours=1))
    service.use_model(model, service.read_contacts(model.contacts))
    yield service
    assert service.seen is not None
    service.seen.close()


@pytest.fixture
def counted() -> Callable[..., float]:
    """How far a counter has gone since the test began."""
    before: dict[object, float] = {}

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    for family in REGISTRY.collect():
        for sample in family.samples:
            before[sample.name, frozenset(sample.labels.items())] = sample.value

    def since(name: str, **labels: str) -> float:
        return value(name, **labels) - before.get((name, frozenset(labels.items())), 0.0)

    return since


def shadow_of(
    service: Service, folder: CacheFolder, *, share: float = 1.0, draw: float = 0.0
) -> Shadow:
    """One that has looked into the folder."""
    shadow = Shadow(service, folder, share=share, draw=lambda: draw)
    shadow.follow()
    return shadow


def shown(service: Service, user_id: int = 41) -> Answer:
    return service.recommend(user_id, QUERY)


def like(answer: Answer, movie_id: int, *, liked: bool = True) -> Contact:
    when = END + timedelta(hours=2)  # after the list was shown
    return Contact(answer.user_id, movie_id, int(when.timestamp() * 1e6), liked)


def test_both_lists_are_compared_and_likes_found_in_them(
    service: Service, folder: CacheFolder, candidate: ServedModel, counted: Callable[..., float]
) -> None:
    shadow = shadow_of(service, folder)
    answer = shown(service)
    shadow.put(QUERY, answer)
    shadow.rank_waiting(len(shadow._waiting))
    ranking = rank(candidate, answer.user_id, service.known(answer.user_id), QUERY)
    other = set(candidate.catalogue.movie_ids[ranking.rows].tolist())
    ours = set(answer.movie_ids)
    versions = {"production": "1", "shadow": "2"}
    assert other != ours
    assert counted("serving_shadow_agreement_count", **versions) == 1
    assert counted("serving_shadow_agreement_sum", **versions) == pytest.approx(
        len(ours & other) / 5
    )
    assert counted("serving_shadow_seconds_count", shadow="2") == 1

    everything = set(candidate.catalogue.movie_ids.tolist())
    for movie_id in everything:
        shadow.count(like(answer, movie_id))
        shadow.count(like(answer, movie_id))  # twice is once
    name = "serving_shadow_likes_total"
    found = {
        where: counted(name, list=where, **versions)
        for where in ("both", "production", "shadow", "neither")
    }
    assert found == {
        "both": len(ours & other),
        "production": len(ours - other),
        "shadow": len(other - ours),
        "neither": len(everything - ours - other),
    }


def test_only_likes_of_whoever_has_two_lists_count(
    service: Service, folder: CacheFolder, counted: Callable[..., float]
) -> None:
    shadow = shadow_of(service, folder)
    answer = shown(service)
    shadow.count(like(answer, answer.movie_ids[0]))  # before there were two
    shadow.put(QUERY, answer)
    shadow.rank_waiting(len(shadow._waiting))
    shadow.count(like(answer, answer.movie_ids[0], liked=False))
    shadow.count(replace(like(answer, answer.movie_ids[0]), user_id=51))
    for where in ("both", "production", "shadow", "neither"):
        assert counted(
            "serving_shadow_likes_total", list=where, production="1", shadow="2"
        ) == pytest.approx(0)


def test_the_thread_ranks_and_reads_the_journal(
    service: Service, folder: CacheFolder, counted: Callable[..., float]
) -> None:
    shadow = shadow_of(service, folder)
    shadow.start()
    try:
        answer = shown(service)
        shadow.put(QUERY, answer)
        wait_until(lambda: counted("serving_shadow_lists_total", state="ranked") == 1)
        service.add(like(answer, answer.movie_ids[0]))
        names = ("both", "production")
        wait_until(
            lambda: (
                sum(
                    counted("serving_shadow_likes_total", list=where, production="1", shadow="2")
                    for where in names
                )
                == 1
            )
        )
    finally:
        shadow.close()


def wait_until(holds: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(200):
        if holds():
            return
        tick.wait(0.02)
    pytest.fail("not within 4 s")


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 1), (0.24, 1), (0.25, 0), (0.9, 0)])
def test_a_share_is_ranked(
    service: Service,
    folder: CacheFolder,
    counted: Callable[..., float],
    draw: float,
    expected: int,
) -> None:
    shadow = shadow_of(service, folder, share=0.25, draw=draw)
    shadow.put(QUERY, shown(service))
    shadow.rank_waiting(len(shadow._waiting))
    assert counted("serving_shadow_lists_total", state="ranked") == expected


def test_a_candidate_that_breaks_is_left_and_answers_go_on(
    service: Service,
    folder: CacheFolder,
    counted: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*_: object) -> None:
        message = "whatever"
        raise RuntimeError(message)

    monkeypatch.setattr(shadow_module, "rank", breaks)
    shadow = shadow_of(service, folder)
    before = shown(service)
    for _ in range(3):
        shadow.put(QUERY, before)
    shadow.rank_waiting(len(shadow._waiting))
    assert counted("serving_shadow_lists_total", state="failed") == 1
    assert shadow.version is None
    assert shown(service).movie_ids == before.movie_ids


def test_it_follows_the_folder_and_does_without_what_is_damaged(
    service: Service, folder: CacheFolder, counted: Callable[..., float]
) -> None:
    shadow = shadow_of(service, folder)
    assert shadow.version == 2
    damaged = folder.bundles / "3-b"
    shutil.copytree(folder.bundles / "2-a", damaged)
    (damaged / "scorer.onnx").write_bytes(b"altered")
    folder.say_shadow(ModelState(3, "bundles/3-b"))
    shadow.follow()
    assert shadow.version is None
    shadow.put(QUERY, shown(service))
    shadow.rank_waiting(len(shadow._waiting))
    assert counted("serving_shadow_lists_total", state="ranked") == 0
    folder.say_shadow(ModelState(2, "bundles/2-a"))
    shadow.follow()
    assert shadow.version == 2
    folder.say_shadow(ModelState())
    shadow.follow()
    assert shadow.version is None


def test_what_finds_no_room_is_counted(
    service: Service,
    folder: CacheFolder,
    counted: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadow_module, "MAX_WAITING", 2)
    shadow = shadow_of(service, folder)
    for _ in range(5):
        shadow.put(QUERY, shown(service))
    assert counted("serving_shadow_lists_total", state="dropped") == 3
    shadow.rank_waiting(len(shadow._waiting))
    assert counted("serving_shadow_lists_total", state="ranked") == 2


def test_two_workers_count_a_like_once_in_the_list_that_it_was_about(
    model: ServedModel, service: Service, folder: CacheFolder, counted: Callable[..., float]
) -> None:
    """A user's lists come from either worker, and each reads every like."""
    now = END + timedelta(hours=1)
    second = Service(Journal(folder.journal), clock=lambda: now)
    second.use_model(model, second.read_contacts(model.contacts))
    workers = [shadow_of(service, folder), shadow_of(second, folder)]

    def show(worker: int, query: Query) -> Answer:
        answer = (service, second)[worker].recommend(41, query)
        workers[worker].put(query, answer)
        workers[worker].rank_waiting(1)
        return answer

    def count(movie_id: int, when: datetime) -> None:
        said = Contact(41, movie_id, int(when.timestamp() * 1e6), True)
        for worker in workers:
            worker.count(said)

    def found(*names: str) -> float:
        versions = {"production": "1", "shadow": "2"}
        return sum(counted("serving_shadow_likes_total", list=n, **versions) for n in names)

    first = show(0, Query(k=5))
    now += timedelta(minutes=2)
    longer = show(1, Query(k=10))
    assert set(first.movie_ids) < set(longer.movie_ids)
    assert counted("serving_shadow_lists_total", state="ranked") == 2
    count(longer.movie_ids[9], now + timedelta(minutes=1))
    assert found("both", "production") == 1
    assert found("shadow", "neither") == 0
    # Told late of what he did before the longer list was shown: that was about the short one.
    count(longer.movie_ids[8], now - timedelta(minutes=1))
    assert found("both", "production") == 1
    assert found("shadow", "neither") == 1
    for worker in workers:
        worker.close()
    assert second.seen is not None
    second.seen.close()
