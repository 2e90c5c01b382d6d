"""Whether the lake's directory or bucket can be written and read, and which tables it has."""

from pathlib import Path

from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.lake import Lake
from movie_recommender.lake.exclusive import require_exclusive_create
from movie_recommender.lake.storage import is_bucket


def check(case: Case) -> list[Finding]:
    """The place, then the tables in it.

    Raises:
        StorageError: the bucket refuses.
    """
    path = case.settings.data_lake_path.removeprefix("file://")
    if not is_bucket(path):
        place = nearest(Path(path))
        problem = write_problem(place)
        if problem is not None:
            return [Finding("lake", "fail", problem, f"Let this user write {place}.")]
        how = "written and read" if place == Path(path) else f"made: {place} can be written"
    else:
        require_exclusive_create(path)
        how = "written, and refuses to overwrite what is there"
    return [Finding("lake", "ok", f"DATA_LAKE_PATH={path} can be {how}"), _tables(path)]


def _tables(path: str) -> Finding:
    versions = Lake(path).versions()
    if not versions:
        text = "there is no table yet"
        return Finding("lake tables", "warn", text, "Nothing, before the first run.")
    told = ", ".join(f"{table} at {version}" for table, version in sorted(versions.items()))
    return Finding("lake tables", "ok", f"versions: {told}")
