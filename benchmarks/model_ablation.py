"""What each part of the model is worth: trainings that lack one, beside the default.

On the validation windows, of which defaults are chosen; the test windows aren't looked at.

    make bench NAME=model_ablation                       the default world, and MOVIELENS_PATH
    make bench NAME=model_ablation ARGS="DIR --seeds 0 1"
    make bench NAME=model_ablation ARGS="DIR --parts mlp dropout"

A line a part: the default as the value, the training without the part as the peer. It holds where
the 95 % interval of the paired difference lies above 0.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from claims import note
from model_quality import case_of, default_sources
from ratings.advantage import Advantage
from ratings.case import Case

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import NeuMF
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import fit, write_bundle

METRICS = ("full_ndcg_at_10", "ndcg_at_10", "hit_rate_at_10")

PARTS: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"mlp_epochs": 0},
    "recency of the history": {"history_floor": 1.0},
    "recency of the targets": {"target_half_life_days": 1e9},
    "id of the user": {"id_dropout": 1.0},
    "l2 of the movies": {"movie_l2": 0.0},
    "dropout": {"dropout": 0.0},
    "new users": {"new_share": 0.0},
    "new movies": {"new_movie_share": 0.0},
}
"""Constants that leave a part out."""

UNLIKED = "what was met without a like"
"""A part that isn't left out by a constant: the data set lacks it."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", metavar="FOLDER", help="or 'synthetic'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, UNLIKED], default=[*PARTS, UNLIKED])
    options = parser.parse_args()
    for source in options.sources or list(default_sources()):
        case = case_of(source, "validation")
        whole = _by_user(case, None, options.seeds)
        for part in options.parts:
            without = _by_user(case, part, options.seeds)
            for metric in METRICS:
                said = f"{case.conditions}; mean of seeds {options.seeds}"
                name = f"NCF on {case.name}"
                Advantage(
                    name, metric, whole[metric], f"without {part}", without[metric], said
                ).say()


def _by_user(case: Case, part: str | None, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """(J,) of each metric by user without the part, the mean over the seeds."""
    changes = PARTS.get(part or "", {})
    learned = case.learned
    if part == UNLIKED:
        learned = replace(learned, seen=learned.positives)
    started = perf_counter()
    judged = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="model-ablation-") as folder:
            bundle = Path(folder, "bundle")
            write_bundle(bundle, fit(learned, replace(TrainingConfig(seed=seed), **changes)))
            judged.append(protocol.judge(NeuMF(bundle, learned), case.task).by_user)
    found = {metric: np.mean([each[metric] for each in judged], axis=0) for metric in METRICS}
    means = ", ".join(f"{metric} {values.mean():.4f}" for metric, values in found.items())
    note(f"{case.name} without {part}: {perf_counter() - started:.0f} s, {means}")
    return found


if __name__ == "__main__":
    main()
