"""Can a model find the truth of the simulated world, and does the gate tell it from chance?

The default world's events go through the lake into the feature store. The oracle, item-kNN,
popularity, chance, NCF with its default training, and NCF trained on shuffled likes rank the
newest window's positives, each against the same 99 movies that its user had not met.

    make bench NAME=simulation_truth
    make bench NAME=simulation_truth ARGS="--seed 7 --day 2027-05-23"
"""

import argparse
import tempfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from claims import Claim, note
from scipy.sparse import csr_array

from movie_recommender import events, features
from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.compare import Ranked, side_by_side
from movie_recommender.evaluation.report import ranker_table
from movie_recommender.evaluation.run import frame_of, task_of
from movie_recommender.features import FeatureStore
from movie_recommender.lake import Lake
from movie_recommender.ranking import Dataset, NeuMF, Oracle
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation import interactions_of_day, truth
from movie_recommender.simulation.generate import entities_of_day, world_of
from movie_recommender.simulation.truth import write_truth
from movie_recommender.simulation.world import World
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import fit, write_bundle

DAY, HISTORY_DAYS = date(2026, 11, 22), 30
ORACLE_NDCG = 0.70
_BEGINNING = "0001-01-01T00:00:00+00:00"


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--day", type=date.fromisoformat, default=DAY, help="the last day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="truth-") as name:
        directory = Path(name)
        settings = load_settings(
            data_lake_path=str(directory / "lake"),
            feature_store_path=directory / "features.duckdb",
            simulation_seed=options.seed,
        )
        world = world_of(settings)
        n_events = fill(Lake(settings.data_lake_path), world, options.day)
        note(f"  {n_events:,} events in the lake")
        write_truth(truth(world, options.day), directory)
        as_of = datetime.combine(options.day + timedelta(days=1), time(), UTC)
        features.run(settings, as_of=as_of)
        task, learned = datasets(settings, as_of)
        scorers = {
            "oracle": Oracle(task.dataset, directory),
            "ncf": trained(learned, task.dataset),
            "ncf, shuffled likes": trained(shuffled(learned), task.dataset),
        }
        rankers = side_by_side(settings, task, scorers)
    note(ranker_table(rankers))
    conditions = (
        f"seed {options.seed}, {settings.simulation_users:,} users, "
        f"{settings.simulation_movies:,} movies, {HISTORY_DAYS + 1} days to {options.day}; "
        f"{n_events:,} events; {len(task.user):,} positives of {len(task.users):,} users"
    )
    say(settings, {ranked.name: ranked for ranked in rankers}, conditions)


def fill(lake: Lake, world: World, day: date) -> int:
    """Land the world up to `day` as extraction would; the number of interactions."""
    days = [day - timedelta(days=age) for age in range(HISTORY_DAYS, -1, -1)]
    tables: dict[str, list[pa.Table]] = {topic: [] for topic in events.CONTRACTS}
    for chosen in days:
        for topic, upserts in entities_of_day(world, chosen, everybody=chosen == days[0]):
            tables[topic].append(upserts)
        tables["interactions"] += interactions_of_day(world, chosen)
    for topic, parts in tables.items():
        lake.append(topic, landed(topic, parts), {f"{topic}-0": 1})
    return sum(part.num_rows for part in tables["interactions"])


def landed(topic: str, parts: list[pa.Table]) -> pa.Table:
    """Events with what extraction adds to them."""
    schema = events.CONTRACTS[topic].schema
    rows = pa.concat_tables([part.select(schema.names).cast(schema) for part in parts])
    n = rows.num_rows
    added = {
        "extra": pa.nulls(n, pa.string()),
        "kafka_topic": pa.repeat(topic, n),
        "kafka_partition": pa.repeat(pa.scalar(0, pa.int32()), n),
        "kafka_offset": pa.array(np.arange(n)),
        "ingestion_time": rows["event_time"],
        "event_date": pc.cast(rows["event_time"], pa.date32()),
    }
    for name, column in added.items():
        rows = rows.append_column(name, column)
    return rows


def datasets(settings: Settings, as_of: datetime) -> tuple[protocol.Task, Dataset]:
    """The pairs to judge, and what training learns from: all before the validation window."""
    with FeatureStore.open(settings.feature_store_path) as store:
        frame = frame_of(store, as_of)
        test, task = task_of(settings, store, as_of, not_before=_BEGINNING)
    validation = protocol.newest_window(
        frame.filter(pc.less(frame["event_time"], pa.scalar(test.start, events.INSTANT))),
        end=test.start,
        days=settings.evaluation_window_days,
        min_users=settings.evaluation_min_users,
    )
    users, movies = task.dataset.users, task.dataset.movies
    return task, Dataset.before(validation.start, frame, users=users, movies=movies)


def trained(learned: Dataset, judged: Dataset) -> NeuMF:
    """NCF with the default configuration, as `train_model` makes it."""
    with tempfile.TemporaryDirectory() as name:
        bundle = Path(name, "bundle")
        write_bundle(bundle, fit(learned, TrainingConfig()))
        return NeuMF(bundle, judged)


def shuffled(dataset: Dataset) -> Dataset:
    """As many likes of each user and, but for repeated ones, each movie; but nobody's taste."""
    user, movie = dataset.positives.nonzero()
    drawn = np.random.default_rng(0).permutation(movie)
    likes = csr_array((np.ones(len(user), np.float32), (user, drawn)), dataset.positives.shape)
    likes.sum_duplicates()
    likes.data[:] = 1.0
    return Dataset(dataset.users, dataset.movies, likes, dataset.seen, dataset.until)


def say(settings: Settings, rankers: dict[str, Ranked], conditions: str) -> None:
    """Print what the issue claims of each ranker; item-kNN and chance stand in the note's table."""

    def claim(name: str, metric: str, peer: str, limit: float, *, below: bool = False) -> None:
        ranked = rankers[name]
        verdict = f"{conditions}; gate: {'passes' if ranked.passes_gate else 'fails'}"
        value = round(ranked.metrics[metric], 4)
        Claim(f"{name}: {metric}", value, "", peer, round(limit, 4), 1, below, verdict).say()

    claim("oracle", "ndcg_at_10", "limit", ORACLE_NDCG)
    claim("ncf", "ndcg_at_10", "gate", settings.gate_min_ndcg_at_10)
    claim("ncf", "hit_rate_at_10", "gate", settings.gate_min_hit_rate_at_10)
    claim("ncf", "auc", "gate", settings.gate_min_auc)
    claim("ncf", "ndcg_at_10", "popularity", rankers["popularity"].metrics["ndcg_at_10"])
    for name in ("popularity", "ncf, shuffled likes"):
        claim(name, "ndcg_at_10", "gate", settings.gate_min_ndcg_at_10, below=True)


if __name__ == "__main__":
    main()
