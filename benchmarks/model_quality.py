"""The model beside popularity, item-kNN, EASE, ALS and BPR, on the same pairs.

What is judged is what would be served: the default constants, a training, its bundle, read again.

    make bench NAME=model_quality                            the default world, and MOVIELENS_PATH
    make bench NAME=model_quality ARGS="DIR"                 any folder in MovieLens' or NCF's form
    make bench NAME=model_quality ARGS="synthetic --window validation"    while developing
    make bench NAME=model_quality ARGS="DIR --write-ncf OUT"              DIR in NCF's form

MovieLens' form (ratings.csv or ratings.dat, `ratings/movielens.py`) and the synthetic world are cut
by time, as the pipeline cuts them: `ratings/case.py`. NCF's form, the files that came with He et
al. 2017, has each user's last positive hidden among 99 others: `ratings/ncf_files.py`. Nothing
may be chosen by the test window; `--window validation` looks at the one before it.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from claims import Claim, note
from ratings import leave_one_out, ncf_files
from ratings.advantage import Advantage
from ratings.case import Case, Tables, WindowName, time_split
from ratings.movielens import movielens_tables
from ratings.synthetic import synthetic_tables
from ratings.training import Trained, fit_apart

from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.protocol import Judgement
from movie_recommender.evaluation.run import SEED
from movie_recommender.ranking import NeuMF
from movie_recommender.ranking.baselines import fit_baselines
from movie_recommender.settings import load_settings
from movie_recommender.training.config import TrainingConfig

ROOT = Path(__file__).parent.parent
SYNTHETIC = "synthetic"
METRICS = ("full_ndcg_at_10", "ndcg_at_10", "hit_rate_at_10")
ML_1M = (6_040, 3_706)
ML_1M_GOALS = {"hit_rate_at_10": 0.734, "ndcg_at_10": 0.462}
"""Our floor for the paper's data; He et al. 2017, table 2, has 0.730 and 0.447 with 64 factors."""
LIMIT_S, LIMIT_MB = 60, 1_500


@dataclass(frozen=True)
class Runs:
    """The model's trainings on one case, one a seed."""

    judged: list[Judgement]
    trained: list[Trained]

    def by_user(self, metric: str) -> np.ndarray:
        """(J,) the mean over the seeds."""
        return np.mean([judgement.by_user[metric] for judgement in self.judged], axis=0)

    def means(self, metric: str) -> list[float]:
        """Each seed's mean over users."""
        return [float(judgement.by_user[metric].mean()) for judgement in self.judged]

    def spread(self, metric: str) -> str:
        """The seeds' means in words."""
        means = self.means(metric)
        return f"{np.mean(means):.4f} ({min(means):.4f} to {max(means):.4f})"


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", metavar="FOLDER", help=f"or {SYNTHETIC!r}")
    parser.add_argument("--window", choices=["test", "validation"], default="test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write-ncf", type=Path, metavar="OUT", help="write, measure nothing")
    options = parser.parse_args()
    # Those of the training processes, too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    for source in options.sources or list(default_sources()):
        if options.write_ncf:
            name, tables = _tables(source)
            ncf_files.write(options.write_ncf, name, *leave_one_out.hide_last(tables, seed=SEED))
            continue
        measure(case_of(source, options.window), options.seeds)


def default_sources() -> Iterator[str]:
    """The default world, and the MovieLens folder if there is one."""
    yield SYNTHETIC
    folder = Path(os.environ.get("MOVIELENS_PATH", ROOT / "../shared/data/ml-latest-small"))
    if folder.is_dir():
        yield str(folder)
    else:
        note(f"skipped: there is no MovieLens folder {str(folder)!r}; name one in MOVIELENS_PATH")


def case_of(source: str, window: WindowName) -> Case:
    """The case of a folder in either form, or of the synthetic world."""
    if source != SYNTHETIC and ncf_files.is_ncf(Path(source)):
        case = ncf_files.read(Path(source))
        return case if window == "test" else leave_one_out.validation(case, seed=SEED)
    name, tables = _tables(source)
    return time_split(name, tables, load_settings(), window)


def _tables(source: str) -> tuple[str, Tables]:
    if source == SYNTHETIC:
        return SYNTHETIC, synthetic_tables()
    return Path(source).resolve().name, movielens_tables(Path(source))


def measure(case: Case, seeds: Sequence[int]) -> None:
    """Train, judge, and print the case's claims."""
    note(f"{case.name}: {case.conditions}")
    runs = _runs(case, seeds)
    baselines = _baselines(case)
    cost = f"at most {_seconds(runs):.1f} s and {_peak(runs):,.0f} MB a training"
    conditions = f"{case.conditions}; mean of seeds {list(seeds)}; {cost}"
    for metric in METRICS:
        model = runs.by_user(metric)
        said = f"{conditions}; by seed {runs.spread(metric)}"
        for name, judged in baselines.items():
            Advantage(
                f"NCF on {case.name}", metric, model, name, judged.by_user[metric], said
            ).say()
    if case.sizes == ML_1M and case.learned.times is None:
        _say_goals(case, runs, conditions)


def _runs(case: Case, seeds: Sequence[int]) -> Runs:
    runs = Runs([], [])
    with tempfile.TemporaryDirectory(prefix="model-quality-") as name:
        for seed in seeds:
            bundle = Path(name, str(seed))
            runs.trained.append(fit_apart(case.learned, TrainingConfig(seed=seed), bundle))
            runs.judged.append(protocol.judge(NeuMF(bundle, case.learned), case.task))
            note(f"  seed {seed}: {runs.trained[-1].seconds:.1f} s, {_row(runs.judged[-1])}")
    return runs


def _baselines(case: Case) -> dict[str, Judgement]:
    started = perf_counter()
    fitted = fit_baselines(case.learned, seed=SEED)
    note(f"  baselines: {perf_counter() - started:.1f} s")
    judged = {name: protocol.judge(scorer, case.task) for name, scorer in fitted.items()}
    for name, judgement in judged.items():
        note(f"  {name}: {_row(judgement)}")
    return judged


def _row(judgement: Judgement) -> str:
    return ", ".join(f"{name} {judgement.by_user[name].mean():.4f}" for name in METRICS)


def _seconds(runs: Runs) -> float:
    return max(run.seconds for run in runs.trained)


def _peak(runs: Runs) -> float:
    return max(run.peak_mb for run in runs.trained)


def _say_goals(case: Case, runs: Runs, conditions: str) -> None:
    """The goals that are set for MovieLens 1M alone, known by its 6,040 users and 3,706 movies."""
    for metric, goal in ML_1M_GOALS.items():
        value = round(float(np.mean(runs.means(metric))), 4)
        claim, peer = f"NCF on {case.name}: {metric}", "goal for MovieLens 1M"
        Claim(claim, value, "", peer, goal, 1, False, conditions).say()
    seconds, peak = round(_seconds(runs), 1), round(_peak(runs))
    Claim("time of a training", seconds, "s", "limit", LIMIT_S, 1, True, conditions).say()
    Claim("memory of a training", peak, "MB", "limit", LIMIT_MB, 1, True, conditions).say()


if __name__ == "__main__":
    main()
