"""Lists of a hundred movies for all users of MovieLens 1M's size, written to a file.

make bench NAME=recommend_all
"""

import tempfile
import time
from pathlib import Path

import psutil
from claims import Claim, note
from serving_parts.world import N_MOVIES, N_SEEN, N_USERS, make_bundle, make_dataset

from movie_recommender.serving.batch import write_lists
from movie_recommender.serving.model import ServedModel

K, LIMIT, ROUNDS = 100, 3_000.0, 3


def main() -> None:
    """Measure and print the claim."""
    with tempfile.TemporaryDirectory() as tmp:
        note("making the world")
        bundle, path = Path(tmp, "bundle"), Path(tmp, "lists.parquet")
        make_bundle(bundle, make_dataset(n_seen=N_SEEN), seed=0)
        model = ServedModel(bundle, version=1)
        before = psutil.Process().memory_info().rss
        rates = sorted(rate(model, path) for _ in range(ROUNDS))
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        size = path.stat().st_size / 2**20
    conditions = (
        f"{N_USERS:,} users x {N_MOVIES:,} movies, {N_SEEN:,} contacts, top {K}, one thread, a "
        f"file of {size:.1f} MB; middle of {', '.join(f'{one:.0f}' for one in rates)}; resident "
        f"memory grew by {grown:.0f} MB"
    )
    middle = rates[len(rates) // 2]
    claim = "lists of 100 for all users"
    Claim(claim, middle, "users/s", "the limit", LIMIT, 1.0, conditions=conditions).say()


def rate(model: ServedModel, path: Path) -> float:
    """Users a second."""
    began = time.perf_counter()
    written = write_lists(model, model.contacts, path, k=K)
    found = written.users / (time.perf_counter() - began)
    note(f"  {found:.0f} users/s")
    return found


if __name__ == "__main__":
    main()
