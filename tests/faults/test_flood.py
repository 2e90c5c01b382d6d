"""More requests than there is room for, and a worker that dies under them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.clients import Asked, crowd
from tests.serving_process import ServingProcess, begin_with, settings_of_nothing
from tests.unit.serving.conftest import bundle, dataset  # noqa: F401  (fixtures)

pytestmark = pytest.mark.integration

QUEUE = 32
MAX_WORKER_BYTES, MAX_GROWTH_BYTES = 200 * 2**20, 50 * 2**20


@pytest.fixture(scope="module")
def serving(
    bundle: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServingProcess]:
    directory = tmp_path_factory.mktemp("serving")
    settings = settings_of_nothing(directory)
    begin_with(bundle, settings, directory)
    with ServingProcess(settings, directory, serving_queue=QUEUE) as server:
        server.wait(lambda ready: ready["ready"] and len(ready["workers"]) == 2)
        yield server


def workers(serving: ServingProcess) -> dict[int, int]:
    """Resident bytes by process id."""
    pids = [worker["pid"] for worker in serving.ready()["workers"]]
    return {pid: psutil.Process(pid).memory_info().rss for pid in pids}


def stretch() -> float:
    """How much longer a second of work takes here now than on a core of its own."""
    began, work_began = time.perf_counter(), time.process_time()
    while time.process_time() - work_began < 0.3:
        sum(range(10_000))
    return (time.perf_counter() - began) / (time.process_time() - work_began)


def replaced(serving: ServingProcess, victim: int) -> bool:
    """Whether another worker serves in its place; asked of the folder: a server may be busy."""
    states = serving.folder.worker_states()
    return len(states) == 2 and victim not in [state.pid for state in states]


def test_a_flood_is_refused_in_order_and_leaves_nothing_behind(
    serving: ServingProcess, fault_s: float | None
) -> None:
    usual = crowd(serving.port, n=8, seconds=1)
    assert set(usual.statuses) == {200}
    before = workers(serving)
    flood = crowd(serving.port, n=512, seconds=fault_s or 6)
    ended = time.monotonic()
    after = workers(serving)
    print(f"flood: {dict(flood.statuses)}, p99 of 200: {1000 * flood.p99_s:.0f} ms")  # noqa: T201
    assert set(flood.statuses) == {200, 503}
    assert flood.without_retry_after == 0
    assert flood.lost.total() == 0
    assert after.keys() == before.keys()
    assert max(after.values()) < MAX_WORKER_BYTES
    growth = max(after[pid] - before[pid] for pid in before)
    assert growth < MAX_GROWTH_BYTES
    while (again := crowd(serving.port, n=8, seconds=0.5)).p99_s > 3 * usual.p99_s:
        assert time.monotonic() - ended < 5
    assert set(again.statuses) == {200}
    print(  # noqa: T201
        f"usual p99 {1000 * usual.p99_s:.1f} ms, again after {time.monotonic() - ended:.1f} s; "
        f"largest worker {max(after.values()) / 2**20:.0f} MB, grown by {growth / 2**20:.0f} MB"
    )


def test_a_worker_killed_under_load_loses_what_it_was_at_and_no_more(
    serving: ServingProcess,
) -> None:
    n, slower = 16, stretch()
    victim = min(workers(serving))
    found: list[Asked] = []
    load = threading.Thread(target=lambda: found.append(crowd(serving.port, n=n, seconds=5)))
    load.start()
    time.sleep(1.5)
    held = [
        connection
        for connection in psutil.Process(victim).net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == serving.port
    ]
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    while not replaced(serving, victim):
        time.sleep(0.01)
    respawned_s = time.monotonic() - killed
    load.join()
    (asked,) = found
    print(  # noqa: T201
        f"killed worker: {asked.lost.total()} of {asked.statuses.total()} requests lost on "
        f"{len(held)} connections; replaced after {respawned_s:.2f} s, where work takes "
        f"{slower:.1f} times as long as on a free core"
    )
    assert respawned_s < 2 * slower
    assert set(asked.statuses) == {200}
    assert asked.lost.total() <= len(held)
    assert max(asked.lost.values(), default=0) <= 1
