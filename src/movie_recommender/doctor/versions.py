"""Whether Python, Airflow and the libraries are those that this version was made for."""

import platform
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from movie_recommender import __version__
from movie_recommender.doctor.finding import Case, Finding

_NAME = "movie-recommender"
_REMEDY = "Install this version's requirements: pip install --require-hashes -r requirements.txt"


def check(case: Case) -> list[Finding]:  # noqa: ARG001  (nothing of it has a version)
    """The interpreter, and every requirement of the installed package."""
    package = metadata.distribution(_NAME)
    python = platform.python_version()
    allowed = SpecifierSet(package.metadata["Requires-Python"] or "")
    wrong = [] if allowed.contains(python) else [f"Python {python}, expected {allowed}"]
    needed = [Requirement(text) for text in package.requires or []]
    needed = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong += [problem for each in needed if (problem := _problem(each))]
    if wrong:
        return [Finding("versions", "fail", "; ".join(wrong), _REMEDY)]
    seen = (
        f"{_NAME} {__version__}, Python {python}, Airflow {metadata.version('apache-airflow')}; "
        f"all {len(needed)} requirements hold"
    )
    return [Finding("versions", "ok", seen)]


def _problem(needed: Requirement) -> str | None:
    try:
        found = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} isn't installed"
    if needed.specifier.contains(found, prereleases=True):
        return None
    return f"{needed.name} {found}, expected {needed.specifier}"
