"""A world with a few published days behind it, and what time does to its lake."""

import shutil
from datetime import date, datetime
from pathlib import Path

from deltalake import DeltaTable

from movie_recommender.features import Snapshot
from movie_recommender.lake import LakeCare

N_DAYS = 4


def arrives(day: int) -> datetime:
    """Two hours after the midnight that ends the day of June."""
    return datetime.fromisoformat(f"2026-06-{day + 1:02}T02:00:13+00:00")


def add_day(world, day: int) -> None:
    """What happened on a day of June, and from the third on something late of the second."""
    when, at = f"06-{day:02}", {"ingestion_time": arrives(day)}
    world.movie(10 + day, f"{when} 09:00", "Drama", f"g{day}", **at)
    world.user(day, f"{when} 09:00", age=20 + day, **at)
    for user in range(1, 5):
        world.act("view", user, 10 + day, f"{when} 10:00", **at)
        world.act("like", user, 9 + user % day, f"{when} 11:00", **at)
    world.act("rating", 1, 11, f"{when} 12:00", rating=4.0, session_id="s", **at)
    if day > 2:
        world.act("like", 4, 12, "06-02 08:00", **at)
        world.movie(11, "06-01 08:00", "War", **at)
    world.land()


def live(world) -> list[Path]:
    """Add and publish `N_DAYS` days, each as an increment; a copy of each published file."""
    copies = []
    for day in range(1, N_DAYS + 1):
        add_day(world, day)
        assert world.build(f"06-{day + 1:02}").increment == (day > 1)
        copies.append(Path(f"{world.store_path}.{day}"))
        shutil.copyfile(world.store_path, copies[-1])
    return copies


def copied(world, root: Path):
    """The same world at `root`, to be damaged."""
    shutil.copytree(Path(world.lake.path).parent, root)
    copy = type(world)(root)
    copy.count = world.count
    return copy


def registry(world) -> list[Snapshot]:
    """The published registry, newest first."""
    with world.open() as store:
        return store.snapshots()


def vacuum(world, day: int) -> None:
    """Rewrite a day's interactions and delete the files that the newest version doesn't need."""
    LakeCare(world.lake.path).rewrite("interactions", date(2026, 6, day), order_by=["user_id"])
    table = DeltaTable(f"{world.lake.path}/interactions")
    assert table.vacuum(0, enforce_retention_duration=False, dry_run=False)


def cut_log(world, table: str = "interactions", before: int | None = None) -> None:
    """Delete a table's commits before its newest, or before that version; a checkpoint stays."""
    DeltaTable(f"{world.lake.path}/{table}").create_checkpoint()
    newest = world.lake.version(table) if before is None else before
    log = Path(world.lake.path, table, "_delta_log")
    for version in range(newest):
        (log / f"{version:020}.json").unlink()


def identity(path: Path) -> tuple[int, int, int]:
    """Changes when the file is written or replaced."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
