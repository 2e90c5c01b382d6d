"""The lake that the feature store's benchmark builds from: history, a day more, and a sample.

The simulator's own Parquet files, landed with `LakeCare.append`, a commit a day:

- `lake`: all of the history, and in one more version a part of the next day;
- `sample`: the history of one user in `SAMPLE`, as much as pandas can hold.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from claims import note

from movie_recommender import events
from movie_recommender.lake import LakeCare
from movie_recommender.settings import load_settings
from movie_recommender.simulation.generate import Step, world_of
from movie_recommender.simulation.parquet import write_world

LAST = date(2026, 6, 20)
"""The day that is added to the history."""
INCREMENT, SAMPLE = 6, 10
"""Of the last day come the events of one user in six; of the history, the sample has one in ten."""

_ABOUT = "about.json"

Chosen = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class Lake:
    """A lake at one version of each topic, and how many rows it has there."""

    path: str
    versions: dict[str, int]
    rows: dict[str, int]
    as_of: str

    @property
    def interactions(self) -> int:
        """Rows of the interactions."""
        return self.rows["interactions"]


@dataclass(frozen=True)
class Lakes:
    """What is built from: the history, the same with a day more, the sample of the history."""

    history: Lake
    grown: Lake
    sample: Lake


def lakes(directory: Path, *, users: int, movies: int, history_days: int) -> Lakes:
    """The lakes of this world in `directory`, made where they are missing.

    Raises:
        InputDataError: the directory holds another world.
    """
    settings = load_settings(simulation_users=users, simulation_movies=movies)
    first = LAST - timedelta(days=history_days)
    world = directory / "world"
    write_world(
        world_of(settings),
        world,
        LAST,
        history_days=history_days,
        on_step=_say_step,
    )
    days = [first + timedelta(days=n) for n in range(history_days)]
    history = _land(directory / "lake", world, days, {}, later=LAST)
    of_sample = {"users": _users_of(SAMPLE), "interactions": _users_of(SAMPLE)}
    sample = _land(directory / "sample", world, days, of_sample, later=None)
    return Lakes(history["history"], history["grown"], sample["history"])


def _say_step(step: Step) -> None:
    if step.messages:
        note(f"  {step.name}: {step.messages:,}")


def _land(
    path: Path, world: Path, days: list[date], chosen: Mapping[str, Chosen], *, later: date | None
) -> dict[str, Lake]:
    about = path / _ABOUT
    if not about.exists():
        note(f"landing {path}")
        shutil.rmtree(path, ignore_errors=True)
        care = LakeCare(str(path))
        landed = {"history": _append(care, world, days, chosen)}
        if later is not None:
            landed["grown"] = _append(care, world, [later], {"interactions": _users_of(INCREMENT)})
        about.write_text(json.dumps({name: asdict(lake) for name, lake in landed.items()}))
    return {name: Lake(**lake) for name, lake in json.loads(about.read_text()).items()}


def _append(care: LakeCare, world: Path, days: list[date], chosen: Mapping[str, Chosen]) -> Lake:
    """Land the days, all of them in the night after the last one."""
    midnight = datetime.combine(days[-1] + timedelta(days=1), time(), UTC)
    arrived = midnight + timedelta(hours=2, seconds=13)
    for topic in events.CONTRACTS:
        for day in days:
            rows = pq.read_table(world / topic / f"{day}.parquet")
            rows = chosen[topic](rows) if topic in chosen else rows
            at = care.count(topic)
            care.append(topic, as_landed(rows, topic, at, arrived), {f"{topic}-0": at + len(rows)})
    return Lake(
        care.path,
        care.versions(),
        {topic: care.count(topic) for topic in events.CONTRACTS},
        midnight.isoformat(),
    )


def as_landed(rows: pa.Table, topic: str, offset: int, arrived: datetime) -> pa.Table:
    """A topic's events with the columns that an extraction adds, from that Kafka offset on."""
    n = len(rows)
    added: Mapping[str, pa.Array] = {
        "extra": pa.nulls(n, pa.string()),
        "kafka_topic": pa.repeat(topic, n),
        "kafka_partition": pa.repeat(pa.scalar(0, pa.int32()), n),
        "kafka_offset": pa.array(range(offset, offset + n), pa.int64()),
        "ingestion_time": pa.repeat(pa.scalar(arrived, events.INSTANT), n),
        "event_date": pc.cast(rows["event_time"], pa.date32()),
    }
    for name, column in added.items():
        rows = rows.append_column(name, column)
    return rows


def _users_of(every: int) -> Chosen:
    """Keeps the rows of one user in `every`."""

    def chosen(rows: pa.Table) -> pa.Table:
        users = rows["user_id"]
        rest = pc.subtract(users, pc.multiply(pc.divide(users, every), every))
        return rows.filter(pc.equal(rest, 0))

    return chosen
