"""The feature store: whole builds beside Spark and pandas, increments, reads.

All read the same Delta lake, a simulated world's history and a part of one day more, on two cores.
Spark runs the same SQL in its own words and writes each table as Parquet; pandas makes the three
published tables, of a tenth of the users and of all. What they made is compared with ours, value by
value, and a difference ends the run. Every measurement is a process of its own.

    make bench NAME=features                                     20 M interactions
    make bench NAME=features ARGS="--lake var/features-20m"      the same, and the lake is kept
    make bench NAME=features ARGS="--users 4000 --movies 2000"   a small one
    make bench NAME=features ARGS="--check"                      a small one, only compared
    make bench NAME=features ARGS="--frame-rows 20000000"        only a frame of so many rows
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from claims import Claim, note
from feature_store.check import differences
from feature_store.lakes import SAMPLE, Lake, Lakes, lakes
from feature_store.met import lake_of_pairs

from movie_recommender.features import FeatureStore, Snapshot
from movie_recommender.features.groups import ENTITY, FRAME, STATE, load_groups
from movie_recommender.lake import Lake as Tables

HERE = Path(__file__).parent
MEMORY_LIMIT, TIGHT_LIMIT = "2GB", "1GB"
SMALL = {"users": 4_000, "movies": 2_000, "history_days": 19}
PUBLISHED = ("training_frame", "user_features", "movie_features")
KEPT = [group.name for group in load_groups() if group.kind in {STATE, FRAME, ENTITY}]
TASTE_OF_PANDAS = """
CASE WHEN taste_genres IS NOT NULL THEN list_transform(
    list_zip(taste_genres, taste_weights), lambda of: {'genre': of[1], 'weight': of[2]}
) END
"""

Measured = dict[str, Any]


def main() -> None:
    """Measure and print the claims, or only compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--movies", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=19, help="of history, before the increment's")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lake", type=Path, metavar="DIR", help="kept, and made where missing")
    parser.add_argument("--no-spark", action="store_true")
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument("--frame-rows", type=int, help="build and stream a frame of so many rows")
    parser.add_argument("--check", action="store_true", help="compare results of a small world")
    options = parser.parse_args()
    # Those of every process that is started below, too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    sizes = {"users": options.users, "movies": options.movies, "history_days": options.days}
    with tempfile.TemporaryDirectory(prefix="features-") as name:
        directory = Path(name)
        kept = (options.lake or directory).resolve()
        if options.frame_rows:
            _long_frame(lake_of_pairs(kept / "met", options.frame_rows), directory)
            return
        found = lakes(kept, **(SMALL if options.check else sizes))
        (_check if options.check else _measure)(options, found, directory)


def _check(options: argparse.Namespace, found: Lakes, directory: Path) -> None:
    """Compare what the peers make of a lake with late arrivals."""
    store = directory / "grown.duckdb"
    _build(found.grown, store)
    if not options.no_spark:
        _spark(found.grown, store, directory / "spark-grown")
    if not options.no_pandas:
        _pandas(found.grown, store, directory / "pandas-grown")
    note("no differences")


def _long_frame(lake: Lake, directory: Path) -> None:
    """Build the store of a long frame and stream that."""
    store = directory / "long.duckdb"
    built = _build(lake, store)
    streamed = _part("streamed", store=str(store))
    n = streamed["rows"]
    conditions = (
        f"{n:,} rows in order, {store.stat().st_size >> 20} MB of file, built in "
        f"{built['seconds']:.0f} s with {built['rss_mb']} MB; read in {streamed['seconds']:.0f} s"
    )
    claim = "memory, a long training frame in batches"
    Claim(claim, streamed["rss_mb"], "MB", "limit", 4096, 1, True, conditions).say()


def _measure(options: argparse.Namespace, found: Lakes, directory: Path) -> None:
    rounds, history = options.rounds, found.history
    full = directory / "full.duckdb"
    whole = [_build(history, full) for _ in range(rounds)]
    _say_memory(whole, MEMORY_LIMIT, history)
    tight = _build(history, directory / "tight.duckdb", memory_limit=TIGHT_LIMIT)
    _say_memory([tight], TIGHT_LIMIT, history)
    _say_increment(whole, [_increment(found, full, directory) for _ in range(rounds)], found)
    _say_reads(full)
    _say_frame(full, rounds)
    if not options.no_pandas:
        store, out = directory / "sample.duckdb", directory / "pandas"
        ours = [_build(found.sample, store) for _ in range(rounds)]
        theirs = [_pandas(found.sample, store, out) for _ in range(rounds)]
        _say_pandas(ours, theirs, found.sample, f"one user in {SAMPLE}")
        _say_pandas(whole, [_pandas(history, full, out)], history, "all that is there")
    if not options.no_spark:
        theirs = [_spark(history, full, directory / "spark")]
        peer = "Spark 4.1.1, the same SQL, local[2]"
        _say_speed(whole, theirs, peer, 10, history, _world(history))


def _build(lake: Lake, store: Path, *, memory_limit: str = MEMORY_LIMIT) -> Measured:
    """Ours, whole."""
    store.unlink(missing_ok=True)
    return _part("build", **_inputs(lake), store=str(store), memory_limit=memory_limit)


def _increment(found: Lakes, full: Path, directory: Path) -> Measured:
    """Ours, of what the grown lake has more than the store `full`."""
    store = directory / "increment.duckdb"
    shutil.copyfile(full, store)
    order = {"store": str(store), "memory_limit": MEMORY_LIMIT}
    measured = _part("build", **_inputs(found.grown), **order)
    if not measured["increment"]:
        message = "the day was not added to the store, it was built whole"
        raise RuntimeError(message)
    return measured


def _pandas(lake: Lake, store: Path, out: Path) -> Measured:
    """In pandas, the published tables."""
    until = _snapshot(store).on_time_until.isoformat()
    measured = _part("pandas", **_inputs(lake), on_time_until=until, out=str(out))
    _require(differences(store, out, PUBLISHED, {"taste": TASTE_OF_PANDAS}))
    return measured


def _spark(lake: Lake, store: Path, out: Path) -> Measured:
    """Spark's turn, in a virtual environment of its own."""
    sys.path.insert(0, str(HERE / "spark"))
    import install

    python, jars = install.install(HERE.parent / "var" / "cache" / "spark")
    opened = Tables(lake.path)
    snapshot = _snapshot(store)
    order = {
        "tables": {topic: f"{lake.path}/{topic}" for topic in lake.versions},
        "files": {
            topic: [f"{lake.path}/{topic}/{file}" for file in opened.dataset(topic, version).files]
            for topic, version in lake.versions.items()
        },
        # The frame's own steps are ours: Spark's frame joins intervals.
        "groups": [
            [group.name, group.kind]
            for group in load_groups()
            if (HERE / "spark" / "features_sql" / f"{group.name}.sql").exists()
        ],
        "as_of": lake.as_of,
        "on_time_until": snapshot.on_time_until.isoformat(),
        "out": str(out),
    }
    out.mkdir()
    (out / "order.json").write_text(json.dumps(order))
    measured = _json("spark", [python, HERE / "spark" / "features.py", jars, out / "order.json"])
    counts = {name: snapshot.row_counts[name] for name in KEPT}
    _require([f"rows {measured['rows']}, not {counts}"] if measured["rows"] != counts else [])
    _require(differences(store, out, KEPT))
    return measured


def _snapshot(store: Path) -> Snapshot:
    with FeatureStore.open(store) as opened:
        return opened.snapshot


def _require(found: list[str]) -> None:
    if found:
        raise SystemExit("\n".join(["results differ from the store's:", *found]))


def _inputs(lake: Lake) -> Measured:
    return {"lake": lake.path, "versions": lake.versions, "as_of": lake.as_of}


def _part(name: str, **order: Any) -> Measured:
    """Run a part of `feature_store.parts` in a process of its own."""
    command = [sys.executable, "-m", "feature_store.parts", name, json.dumps(order)]
    return _json(name, command)


def _json(name: str, command: list[Any]) -> Measured:
    """A process's own measurements, and the CPU time of the whole of it."""
    before = _cpu_s()
    done = subprocess.run(
        [str(part) for part in command], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True
    )
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    measured["cpu_s"] = round(_cpu_s() - before, 1)
    note(f"  {name}: {measured}")
    return measured


def _cpu_s() -> float:
    """Of all processes that have ended: other work on the machine changes it less than time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _all_cpu(runs: list[Measured]) -> str:
    return ", ".join(f"{run['cpu_s']:.1f}" for run in runs) + " s of CPU"


def _seconds(runs: list[Measured]) -> float:
    return float(median(run["seconds"] for run in runs))


def _all(runs: list[Measured]) -> str:
    return ", ".join(f"{run['seconds']:.1f}" for run in runs) + " s"


def _world(lake: Lake) -> str:
    users, movies = lake.rows["users"], lake.rows["movies"]
    return f"{lake.interactions:,} interactions, {users:,} users, {movies:,} movies; two cores"


def _say_speed(
    ours: list[Measured],
    others: list[Measured],
    peer: str,
    goal: float,
    lake: Lake,
    conditions: str,
) -> None:
    conditions = f"{conditions}; all: {_all(ours)} and {_all(others)}"
    conditions += f"; {_all_cpu(ours)} and {_all_cpu(others)}"
    rates = [round(lake.interactions / _seconds(runs)) for runs in (ours, others)]
    Claim("full build", rates[0], "interactions/s", peer, rates[1], goal, False, conditions).say()


def _say_pandas(ours: list[Measured], theirs: list[Measured], lake: Lake, part: str) -> None:
    rss = max(run["rss_mb"] for run in theirs)
    conditions = f"{part}: {_world(lake)}; pandas with {rss} MB"
    _say_speed(ours, theirs, "pandas: groupby, cumsum, merge_asof", 5, lake, conditions)


def _say_memory(runs: list[Measured], limit: str, lake: Lake) -> None:
    claim = f"resident memory of a full build, memory limit {limit}"
    rss = max(run["rss_mb"] for run in runs)
    conditions = f"{_world(lake)}; {_all(runs)}"
    Claim(claim, rss, "MB", "limit", 4096, 1, True, conditions).say()


def _say_increment(whole: list[Measured], runs: list[Measured], found: Lakes) -> None:
    added = found.grown.interactions - found.history.interactions
    conditions = (
        f"{added:,} interactions of a day on {_world(found.history)}; all: {_all(runs)} "
        f"and {_all(whole)}; {_all_cpu(runs)} and {_all_cpu(whole)}; "
        f"at most {max(run['rss_mb'] for run in runs)} MB"
    )
    values = [round(_seconds(each), 3) for each in (runs, whole)]
    claim = "a day's increment"
    Claim(claim, values[0], "s", "our full build", values[1], 0.1, True, conditions).say()


def _say_reads(store: Path) -> None:
    kept, file = (
        _part("reads", store=str(store), entities_in_memory=in_memory)
        for in_memory in (True, False)
    )
    rows = _snapshot(store).row_counts
    for name in ("users", "movies"):
        p50, p99, first = (round(kept[f"{name}_{what}"], 2) for what in ("p50", "p99", "first"))
        of_file = [f"{file[f'{name}_{what}']:.1f}" for what in ("p50", "p99")]
        conditions = (
            f"of {rows[name.removesuffix('s') + '_features']:,}; 1,000 reads through one open "
            f"store, entities in memory after a first read of {first:,.0f} ms; p50 {p50} ms; from "
            f"the file, which is the default: p50 {of_file[0]}, p99 {of_file[1]} ms"
        )
        claim = f"point read of 100 random {name}, p99"
        Claim(claim, p99, "ms", "limit", 10, 1, True, conditions).say()


def _say_frame(store: Path, rounds: int) -> None:
    streamed, whole = (
        [_part(name, store=str(store)) for _ in range(rounds)] for name in ("streamed", "whole")
    )
    n = streamed[0]["rows"]
    rates = [round(n / _seconds(runs)) for runs in (streamed, whole)]
    memory = [max(run["rss_mb"] for run in runs) for runs in (streamed, whole)]
    conditions = f"{n:,} rows in order; medians of {rounds}"
    claim, peer = "training frame in batches", "get_training_frame"
    Claim(claim, rates[0], "rows/s", peer, rates[1], 0.5, False, conditions).say()
    Claim(f"memory, {claim}", memory[0], "MB", peer, memory[1], 0.5, True, conditions).say()


if __name__ == "__main__":
    main()
