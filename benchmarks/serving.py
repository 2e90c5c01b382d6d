"""Requests a second of the server, beside eager torch in a FastAPI handler.

A catalogue of MovieLens 1M's size, every list ranked over all of it, and what was seen left out.
Both serve with two workers; both are asked by the same program over eight connections that stay
open. Ours also sends ten impressions a list to a real broker, which shares the cores; measured with
and without, as the peer sends none.

    make bench NAME=serving
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
from claims import Claim, note
from serving_parts.servers import (
    CONNECTIONS,
    JARS,
    QUIET,
    SHOWN,
    WORKERS,
    Figures,
    load,
    ours,
    ready,
    theirs,
)
from serving_parts.world import DIM, N_MOVIES, N_SEEN, N_USERS, make_bundle, make_dataset

from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.cache import CacheFolder, ModelState, StoreState

ROUNDS, SWAPS = 3, 5
MODEL = "movie-recommender"


def main() -> None:
    """Measure and print the claims."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = CacheFolder(Path(tmp, "cache", MODEL))
        note("making the world")
        fill(folder)
        with (
            SingleBroker(JARS, Path(tmp, "kafka")) as broker,
            ours(Path(tmp), broker.servers, MODEL) as our_port,
            theirs(folder.bundles / "1-a", Path(tmp)) as their_port,
        ):
            rounds = [
                (
                    load(our_port, QUIET, N_USERS),
                    load(our_port, SHOWN, N_USERS),
                    load(their_port, SHOWN, N_USERS),
                )
                for _ in range(ROUNDS)
            ]
            memory, swap = resident_mb(our_port), slowest_swap_s(folder, our_port)
    say(rounds, memory, swap)


def say(rounds: list[tuple[Figures, Figures, Figures]], memory: float, swap: float) -> None:
    """Print the claims, for each kind of request those of the round with its middle ratio."""
    quiet, its_peer = middle([(quiet, peer) for quiet, _, peer in rounds])
    shown, other_peer = middle([(shown, peer) for _, shown, peer in rounds])
    failed = sum(figures["failed"] for both in rounds for figures in both)
    shared = (
        f"{N_USERS:,} users x {N_MOVIES:,} movies, {N_SEEN:,} contacts, d={DIM}, k=10, "
        f"{CONNECTIONS} connections, {WORKERS} workers, on {len(os.sched_getaffinity(0))} cores "
        f"with broker and load; middle of {ROUNDS} rounds, {failed:g} failed"
    )
    torch = "eager torch in a FastAPI handler"
    for claim in (
        *answers("", quiet, its_peer, torch),
        *answers(", with impressions", shown, other_peer, torch),
        Claim("resident memory of a worker", memory, "MB", "the limit", 200.0, 1.0, at_most=True),
        Claim("load and swap of a version", swap, "s", "the limit", 2.0, 1.0, at_most=True),
    ):
        replace(claim, conditions=shared).say()


def middle(rounds: list[tuple[Figures, Figures]]) -> tuple[Figures, Figures]:
    """Ours and the peer's of the round whose ratio is neither the best nor the worst."""
    ordered = sorted(rounds, key=lambda pair: pair[0]["requests_per_s"] / pair[1]["requests_per_s"])
    return ordered[len(ordered) // 2]


def answers(what: str, mine: Figures, peer: Figures, name: str) -> list[Claim]:
    """The claims about one kind of request."""
    rate, their_rate = mine["requests_per_s"], peer["requests_per_s"]
    return [
        Claim(f"requests a second{what}", rate, "1/s", name, their_rate, 6),
        Claim(f"p99{what}", mine["p99_ms"], "ms", name, peer["p99_ms"], 1 / 3, at_most=True),
    ]


def fill(folder: CacheFolder) -> None:
    """Two versions, and the store's contacts."""
    dataset = make_dataset(n_seen=N_SEEN)
    for name, seed in (("1-a", 0), ("2-b", 1)):
        make_bundle(folder.bundles / name, dataset, seed=seed)
    Contacts.of(dataset, snapshot_id="benchmark").save(folder.stores / "benchmark.safetensors")
    folder.say(StoreState("benchmark", "stores/benchmark.safetensors"))
    folder.say(ModelState(1, "bundles/1-a"))


def resident_mb(port: int) -> float:
    """Of the largest worker."""
    pids = [worker["pid"] for worker in ready(port)["workers"]]
    return max(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20


def slowest_swap_s(folder: CacheFolder, port: int) -> float:
    """From saying which version to serve until every worker serves it; the slowest of some."""
    slowest = 0.0
    for number in range(SWAPS):
        version, name = ((2, "2-b"), (1, "1-a"))[number % 2]
        began = time.perf_counter()
        folder.say(ModelState(version, f"bundles/{name}"))
        while {worker["version"] for worker in ready(port)["workers"]} != {version}:
            time.sleep(0.01)
        slowest = max(slowest, time.perf_counter() - began)
    return slowest


if __name__ == "__main__":
    main()
