"""What the feature store's benchmark measures, each in a process of its own.

`python -m feature_store.parts NAME ORDER` prints what it measured, as one JSON line; the time
counts from when everything is imported.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from movie_recommender import features
from movie_recommender.features import FeatureStore
from movie_recommender.settings import load_settings

Measured = dict[str, Any]

THREADS = 2
READS, IDS_A_READ = 1_000, 100


def build(
    *, lake: str, versions: dict[str, int], as_of: str, store: str, memory_limit: str
) -> Measured:
    """The step itself: a whole build, or an increment where `store` is there."""
    settings = load_settings(data_lake_path=lake, feature_store_path=store)
    started = time.perf_counter()
    result = features.run(
        settings,
        as_of=datetime.fromisoformat(as_of),
        lake_versions=versions,
        memory_limit=memory_limit,
        threads=THREADS,
    )
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "increment": result.increment, "examples": result.n_examples}


def reads(*, store: str, entities_in_memory: bool) -> Measured:
    """Point reads of random users and movies through one open store: p50 and p99 in ms.

    All were read once before, which is when they are put into memory; `first`: what that took.
    """
    measured: Measured = {}
    with FeatureStore.open(store, entities_in_memory=entities_in_memory) as opened:
        for name, read, key in (
            ("users", opened.get_user_features, "user_id"),
            ("movies", opened.get_movie_features, "movie_id"),
        ):
            started = time.perf_counter()
            ids = read()[key].to_numpy()
            measured[f"{name}_first"] = 1000 * (time.perf_counter() - started)
            rng = np.random.default_rng(0)
            took = []
            for _ in range(READS):
                chosen = rng.choice(ids, min(IDS_A_READ, len(ids)), replace=False).tolist()
                started = time.perf_counter()
                read(chosen)
                took.append(1000 * (time.perf_counter() - started))
            measured[f"{name}_p50"], measured[f"{name}_p99"] = np.percentile(took, [50, 99])
    return measured


def streamed(*, store: str) -> Measured:
    """The training frame, batch by batch, each forgotten at once."""
    with FeatureStore.open(store) as opened:
        started = time.perf_counter()
        rows = sum(batch.num_rows for batch in opened.read_training_frame())
        return {"rows": rows, "seconds": time.perf_counter() - started}


def whole(*, store: str) -> Measured:
    """The training frame as one table."""
    with FeatureStore.open(store) as opened:
        started = time.perf_counter()
        rows = opened.get_training_frame().num_rows
        return {"rows": rows, "seconds": time.perf_counter() - started}


def pandas(
    *, lake: str, versions: dict[str, int], as_of: str, on_time_until: str, out: str
) -> Measured:
    """The same features in pandas, from the lake to Parquet."""
    from feature_store import in_pandas

    started = time.perf_counter()
    in_pandas.run(lake, versions, as_of=as_of, on_time_until=on_time_until, directory=Path(out))
    return {"seconds": time.perf_counter() - started}


PARTS: dict[str, Callable[..., Measured]] = {
    part.__name__: part for part in (build, reads, streamed, whole, pandas)
}


def main() -> None:
    """Measure the part that the arguments name."""
    name, order = sys.argv[1:]
    measured = PARTS[name](**json.loads(order))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({**measured, "rss_mb": round(peak)}) + "\n")


if __name__ == "__main__":
    main()
