"""Whether the feature store's file can be replaced, and what is published."""

from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.features import FeatureStore


def check(case: Case) -> list[Finding]:
    """The folder, then the file in it.

    Raises:
        MovieRecommenderError: the file is damaged, or of a newer version.
    """
    path = case.settings.feature_store_path
    place = nearest(path.parent)
    problem = write_problem(place)
    if problem is not None:
        return [Finding("feature store", "fail", problem, f"Let this user write {place}.")]
    if not path.exists():
        text = f"FEATURE_STORE_PATH={path} isn't there yet; {place} can be written"
        return [Finding("feature store", "warn", text, "Nothing, before the first run.")]
    with FeatureStore.open(path) as store:
        snapshot = store.snapshot
    text = f"snapshot {snapshot.id} of {snapshot.as_of:%Y-%m-%d}; {place} can be written"
    return [Finding("feature store", "ok", text)]
