"""The browser that the pages are tested in: the distribution's own."""

import shutil

import pytest

from movie_recommender.local import apt


def chromium() -> str:
    """Its path; installed first where it is missing and may be, else the test is skipped."""
    if shutil.which("chromium") is None and apt.can_install():
        apt.install("chromium")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium here; install it: apt-get install chromium")
    return found
