"""How long our trainer takes to be as good as a peer's NeuMF, and what a large training needs.

The peer is Cornac's NeuMF with vectors of the same length, trained as its documentation has it, on
the same pairs and as many threads. It lives in a virtual environment of its own.

    make bench NAME=training_speed                      MOVIELENS_PATH, leave-one-out
    make bench NAME=training_speed ARGS="DIR"           any folder in MovieLens' or NCF's form
    make bench NAME=training_speed ARGS="planted"       a made-up world of MovieLens 1M's size
    make bench NAME=training_speed ARGS="--scale"       two epochs on 20 M positives; no peer

After each epoch of the peer its NDCG@10 is taken as in He et al. 2017, while its clock stands
still. Then ours trains for 1, 2, 4, … epochs, each time from the beginning, until it is as good as
the peer at its end: our time is that of this last training, from the data in memory to the written
bundle.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from claims import Claim, note
from neumf_peer import install
from ratings import leave_one_out, ncf_files
from ratings.case import Case
from ratings.movielens import movielens_tables
from ratings.planted import planted, planted_case
from ratings.training import fit_apart

from movie_recommender.evaluation import metrics, protocol
from movie_recommender.evaluation.run import SEED
from movie_recommender.ranking import NeuMF
from movie_recommender.training.config import TrainingConfig

HERE = Path(__file__).parent
PLANTED = "planted"
ML_1M = {"n_users": 6_040, "n_movies": 3_706, "n_positives": 1_000_000}
LARGE = {"n_users": 200_000, "n_movies": 20_000, "n_positives": 20_000_000}
GOAL, LIMIT_MB = 0.05, 6_000


@dataclass(frozen=True)
class Epoch:
    """Where a training was after so many epochs."""

    number: int
    seconds: float
    ndcg: float


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=f"or {PLANTED!r}")
    parser.add_argument("--epochs", type=int, default=20, help="of the peer; its default is 20")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-python", type=Path, metavar="FILE", help="one that has Cornac")
    parser.add_argument("--scale", action="store_true", help="20 M positives, no peer")
    options = parser.parse_args()
    # Those of every process that is started below, too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    if options.scale:
        scale(options.threads)
        return
    case = case_of(options.source)
    if case is not None:
        race(case, options)


def case_of(source: str | None) -> Case | None:
    """The chosen data, leave-one-out; None where there is none."""
    if source == PLANTED:
        return planted_case(**ML_1M, seed=SEED)
    default = HERE / "../../shared/data/ml-latest-small"
    folder = Path(source or os.environ.get("MOVIELENS_PATH", default)).resolve()
    if source is None and not folder.is_dir():
        note(f"skipped: there is no MovieLens folder {str(folder)!r}; name one in MOVIELENS_PATH")
        return None
    if ncf_files.is_ncf(folder):
        return ncf_files.read(folder)
    tables = movielens_tables(folder)
    train, test, negatives = leave_one_out.hide_last(tables, seed=SEED)
    shape = (1 + int(test[:, 0].max()), tables.movies.num_rows)
    return leave_one_out.case(folder.name, train[:, :2], test[:, :2], negatives, shape)


def race(case: Case, options: argparse.Namespace) -> None:
    """The peer trains on `case`, then ours, longer and longer until it is as good."""
    note(f"{case.name}: {case.conditions}")
    python = options.peer_python or install.install(HERE.parent / "var" / "cache" / "cornac")
    full = TrainingConfig(seed=options.seed, threads=options.threads)
    full = full.within(case.learned.positives)
    with tempfile.TemporaryDirectory(prefix="training-speed-") as name:
        order = {key: getattr(options, key) for key in ("epochs", "seed", "threads")}
        epochs = peer(case, python, Path(name), {**order, "dim": full.dim})
        final, best = epochs[-1], max(epochs, key=lambda epoch: epoch.ndcg)
        runs = []
        for config in schedules(full):
            runs.append(ours(case, config, Path(name, f"bundle-{config.epochs}")))
            if runs[-1].ndcg >= final.ndcg:
                break
    last = runs[-1]
    tried = ", ".join(f"{run.ndcg:.4f} of {run.number} in {run.seconds:.1f} s" for run in runs)
    conditions = (
        f"{case.name}: {case.conditions}; vectors of {full.dim}, {options.threads} threads; our "
        f"trainings by epochs: {tried}; the peer's {final.number} epochs {final.seconds:.1f} s and "
        f"{final.ndcg:.4f}, its best {best.ndcg:.4f} after epoch {best.number}, "
        f"{best.seconds:.1f} s"
    )
    name = f"{install.CORNAC}, NeuMF"
    claim, values = "NDCG@10 of a training", (round(last.ndcg, 4), round(final.ndcg, 4))
    Claim(claim, values[0], "", name, values[1], 1, False, conditions).say()
    if last.ndcg < final.ndcg:
        note("  the peer's NDCG@10 was not reached, so there is no time to reach it")
        return
    claim, times = "time to the peer's NDCG@10", (round(last.seconds, 2), round(final.seconds, 2))
    Claim(claim, times[0], "s", name, times[1], GOAL, True, conditions).say()


def schedules(full: TrainingConfig) -> Iterator[TrainingConfig]:
    """The default training made shorter, each twice as long as the one before; then itself.

    A training's rate falls to zero at its end, so that how good it is half-way tells nothing of
    how good a training of half the length would be.
    """
    epochs = 1
    while epochs < full.epochs:
        yield replace(full, epochs=epochs, mlp_epochs=epochs * full.mlp_epochs // full.epochs)
        epochs *= 2
    yield full


def ours(case: Case, config: TrainingConfig, bundle: Path) -> Epoch:
    """Where a training of ours ends."""
    trained = fit_apart(case.learned, config, bundle)
    judged = protocol.judge(NeuMF(bundle, case.learned), case.task)
    ndcg = float(judged.by_user["ndcg_at_10"].mean())
    note(f"  ours, {config.epochs} epochs: {trained.seconds:.1f} s, NDCG@10 {ndcg:.4f}")
    return Epoch(config.epochs, trained.seconds, ndcg)


def peer(case: Case, python: Path, directory: Path, order: dict[str, Any]) -> list[Epoch]:
    """The peer's epochs on `case`."""
    train = np.stack(case.learned.positives.nonzero(), axis=1).astype(np.int64)
    test = np.stack([case.task.user, case.task.movie], axis=1)
    np.savez(directory / "data.npz", train=train, test=test, negatives=case.task.negatives)
    n_users, n_movies = case.sizes
    order = {**order, "n_users": n_users, "n_movies": n_movies}
    order |= {"data": str(directory / "data.npz"), "scores": str(directory)}
    (directory / "order.json").write_text(json.dumps(order))
    command = [str(python), str(HERE / "neumf_peer" / "train.py"), str(directory / "order.json")]
    epochs = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            said = json.loads(line)
            scores = np.load(directory / f"{said['epoch']}.npy")
            ndcg = float(metrics.ndcg(metrics.ranks(scores[:, 0], scores[:, 1:])).mean())
            epochs.append(Epoch(said["epoch"], said["seconds"], ndcg))
            note(f"  peer, epoch {said['epoch']}: {said['seconds']:.1f} s, NDCG@10 {ndcg:.4f}")
    if process.returncode != 0 or not epochs:
        raise subprocess.CalledProcessError(process.returncode, command)
    return epochs


def scale(threads: int) -> None:
    """Two epochs on a large made-up world, the second one with the MLP tower, as the last are."""
    pairs = planted(**LARGE, seed=SEED)
    shape = (LARGE["n_users"], LARGE["n_movies"])
    learned = leave_one_out.dataset(leave_one_out.matrix(pairs, shape))
    sizes = f"{shape[0]:,} users, {shape[1]:,} movies, {learned.positives.nnz:,} positives"
    note(f"made up: {sizes}")
    config = TrainingConfig(seed=0, epochs=2, mlp_epochs=1, threads=threads)
    with tempfile.TemporaryDirectory(prefix="training-speed-") as name:
        trained = fit_apart(learned, config, Path(name, "bundle"))
    conditions = (
        f"{sizes}; {threads} threads; an epoch {trained.epoch_seconds[-1]:.1f} s with the MLP "
        f"tower; two with what comes before and after {trained.seconds:.1f} s"
    )
    claim, peak = "memory of a training on 20 M positives", round(trained.peak_mb)
    Claim(claim, peak, "MB", "limit", LIMIT_MB, 1, True, conditions).say()


if __name__ == "__main__":
    main()
