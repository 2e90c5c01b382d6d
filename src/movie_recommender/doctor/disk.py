"""Whether there is room where files are written."""

import shutil
import tempfile
from pathlib import Path

from movie_recommender.doctor.finding import Case, Finding, Status
from movie_recommender.doctor.places import nearest
from movie_recommender.lake.storage import is_bucket

ENOUGH_GB = 5.0
"""Below it a warning: an extraction of a million events needs some hundred megabytes, a training
and its bundle about a gigabyte."""
LEAST_GB = 1.0


def check(case: Case) -> list[Finding]:
    """The free room of each disk that the pipeline writes to."""
    settings = case.settings
    places = {"feature store": settings.feature_store_path, "TMPDIR": Path(tempfile.gettempdir())}
    if not is_bucket(settings.data_lake_path):
        places["lake"] = Path(settings.data_lake_path)
    by_disk: dict[int, list[str]] = {}
    free: dict[int, float] = {}
    for name, path in places.items():
        place = nearest(path)
        disk = place.stat().st_dev
        by_disk.setdefault(disk, []).append(f"{name} ({place})")
        free[disk] = shutil.disk_usage(place).free / 1e9
    return [_finding(names, free[disk]) for disk, names in by_disk.items()]


def _finding(names: list[str], free_gb: float) -> Finding:
    status: Status = "ok" if free_gb >= ENOUGH_GB else "warn" if free_gb >= LEAST_GB else "fail"
    remedy = (
        ""
        if status == "ok"
        else "Free space; `movie-recommender lake maintain` deletes files that no version needs."
    )
    return Finding("disk", status, f"{free_gb:.1f} GB free for {', '.join(names)}", remedy)
