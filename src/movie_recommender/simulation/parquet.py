"""The world as Parquet files, without Kafka and without dirt: events as they happened."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from movie_recommender import events
from movie_recommender.errors import InputDataError, StorageError
from movie_recommender.simulation.day import interactions_of_day
from movie_recommender.simulation.generate import OnStep, Sent, Step, entities_of_day
from movie_recommender.simulation.merge import merged
from movie_recommender.simulation.world import World

WORLD = "world.json"


def write_world(
    world: World, directory: Path, day: date, *, history_days: int, on_step: OnStep
) -> Sent:
    """Write the world up to `day`: `users/DAY.parquet`, `movies/…` and `interactions/…`.

    Columns and types are those of the contracts in `events`; a day's interactions are in the order
    of time. The first day has everybody who is there, the others who is new. A file is there whole
    or not at all, and one that is there stays: a call that was killed goes on with the next file.

    Args:
        world: what happens.
        directory: made where it is missing; holds one world only.
        day: the newest day (UTC) to write.
        history_days: days before `day`, in a directory that is new.
        on_step: told of each day that is complete.

    Raises:
        InputDataError: the directory holds another world, or begins after `day`.
        StorageError: the disk refused.
    """
    with _refusals(directory):
        first = _first_day(world, directory, day - timedelta(days=history_days), day)
        written: Counter[str] = Counter()
        total = (day - first).days + 1
        for number in range(total):
            chosen = first + timedelta(days=number)
            counts = _write_day(world, directory, chosen, everybody=chosen == first)
            written.update(counts)
            on_step(Step(f"interactions {chosen}", counts["interactions"], number + 1, total))
    return Sent(dict(written), str(first), str(day))


def _write_day(world: World, directory: Path, day: date, *, everybody: bool) -> Counter[str]:
    """Write what is missing of `day`; rows by topic."""
    counts: Counter[str] = Counter()
    name = f"{day}.parquet"
    for topic, upserts in entities_of_day(world, day, everybody=everybody):
        counts[topic] += _write(directory / topic / name, topic, [upserts])
    in_order = merged(interactions_of_day(world, day), "event_time")
    counts["interactions"] += _write(directory / "interactions" / name, "interactions", in_order)
    return counts


def _write(path: Path, topic: str, tables: Iterable[pa.Table]) -> int:
    """Write the file unless it is there; its rows, 0 where it was."""
    if path.exists():
        return 0
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    n_rows = 0
    try:
        schema = events.CONTRACTS[topic].schema
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(schema))
                n_rows += table.num_rows
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return n_rows


def _first_day(world: World, directory: Path, wanted: date, last: date) -> date:
    """The directory's first day; notes the world and `wanted` in a new one."""
    seed, users, movies = world.scope
    scope = {"seed": seed, "users": users, "movies": movies}
    path = directory / WORLD
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{WORLD}.{os.getpid()}")
        unfinished.write_text(json.dumps({**scope, "first_date": str(wanted)}))
        unfinished.replace(path)
    found = json.loads(path.read_text())
    first = date.fromisoformat(found.pop("first_date"))
    if found != scope or first > last:
        message = (
            f"{directory} holds the world {found} from {first} on, not {scope} up to {last}. "
            "Choose another folder with --out, or delete this one."
        )
        raise InputDataError(message)
    return first


@contextmanager
def _refusals(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"World in {directory}: {error}. Free space or grant access, then run again: it goes "
            "on with the file it was at."
        )
        raise StorageError(message) from error
