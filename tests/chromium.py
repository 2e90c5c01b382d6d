"""The browser that the pages are tested in: the distribution's own."""

import os
import shutil
import subprocess

import pytest


def chromium() -> str:
    """Its path; installed first where it is missing and may be, else the test is skipped."""
    if shutil.which("chromium") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("update -qq", "install -y -qq --no-install-recommends chromium"):
            subprocess.run(
                ["apt-get", *command.split()], check=False, capture_output=True, env=quiet
            )
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium here; install it: apt-get install chromium")
    return found
