"""A catalogue of 60,000 movies: how quickly lists come, and what two stages miss.

A trained model on a planted world. The movies that two stages find are compared with those that
one stage finds, for users by whom nothing was chosen. The broker isn't there: impressions are off.

    make bench NAME=serving_large
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from claims import Claim, note
from ratings.leave_one_out import dataset, matrix
from ratings.planted import planted
from ratings.training import fit_apart
from serving_parts.servers import CONNECTIONS, NOBODY, QUIET, WORKERS, load, ours
from serving_parts.world import manifest

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.cache import CacheFolder, ModelState, StoreState
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.seen import known_from
from movie_recommender.training.config import TrainingConfig

N_USERS, N_MOVIES, N_POSITIVES = 8_000, 60_000, 1_000_000
EPOCHS, JUDGED = 12, 500
MODEL = "movie-recommender"


def main() -> None:
    """Measure and print the claims."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = CacheFolder(Path(tmp, "cache", MODEL))
        data = world()
        seconds = fill(folder, data)
        recall, saved = compared(folder.bundles / "1-a")
        with ours(Path(tmp), NOBODY, MODEL) as port:
            found = load(port, QUIET, N_USERS)
    conditions = (
        f"{N_USERS:,} users x {N_MOVIES:,} movies, {data.positives.nnz:,} positives, trained in "
        f"{seconds:.0f} s; {CONNECTIONS} connections, {WORKERS} workers, on "
        f"{len(os.sched_getaffinity(0))} cores with the load; "
        f"{found['requests_per_s']:.0f} lists/s, p50 {found['p50_ms']:.1f} ms, "
        f"{found['failed']:g} failed"
    )
    limit = ("the limit", 10.0, 1.0)
    for claim in (
        Claim("p99 of 60,000 movies", found["p99_ms"], "ms", *limit, at_most=True),
        Claim("recall@10 of two stages", recall, "", "one stage", 1.0, 0.99),
        Claim("time to rank in two stages", saved[0], "ms", "one stage", saved[1], 1, at_most=True),
    ):
        replace(claim, conditions=conditions).say()


def world() -> Dataset:
    """Users with a taste, and what each of them likes."""
    note("planting the world")
    pairs = planted(N_USERS, N_MOVIES, N_POSITIVES, seed=0)
    return dataset(matrix(pairs, (N_USERS, N_MOVIES)))


def fill(folder: CacheFolder, data: Dataset) -> float:
    """Train, and put the bundle where the server finds it; seconds that the training took."""
    note("training")
    bundle = folder.bundles / "1-a"
    trained = fit_apart(data, TrainingConfig(epochs=EPOCHS, threads=1), bundle)
    manifest(bundle)
    Contacts.of(data, snapshot_id="benchmark").save(folder.stores / "benchmark.safetensors")
    folder.say(StoreState("benchmark", "stores/benchmark.safetensors"))
    folder.say(ModelState(1, "bundles/1-a"))
    return trained.seconds


def compared(bundle: Path) -> tuple[float, tuple[float, float]]:
    """Mean share of the exact best ten that two stages find, and milliseconds a list by each."""
    model = ServedModel(bundle, version=1)
    assert model.shortlist is not None, "recall fell short: lists stay exact"
    users = np.random.default_rng(1).choice(N_USERS, JUDGED, replace=False).tolist()
    two, two_ms = ranked(model, users)
    model.shortlist = None
    one, one_ms = ranked(model, users)
    shares = [len(set(a) & set(b)) / len(b) for a, b in zip(two, one, strict=True)]
    return float(np.mean(shares)), (two_ms, one_ms)


def ranked(model: ServedModel, users: list[int]) -> tuple[list[list[int]], float]:
    """The users' lists, and milliseconds for each."""
    began = time.perf_counter()
    lists = [rank(model, user, known_from(model.contacts, user), Query()).rows for user in users]
    took = time.perf_counter() - began
    return [rows.tolist() for rows in lists], 1000 * took / len(users)


if __name__ == "__main__":
    main()
