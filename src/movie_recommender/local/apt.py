"""Programs from the distribution, for a machine that is set up by whoever may do so."""

import os
import shutil
import subprocess


def can_install() -> bool:
    """Whether this user may, and this distribution has `apt-get`."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: str) -> None:
    """Install `packages`, names with spaces between; whether it worked, the program's path says."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("update -qq", f"install -y -qq --no-install-recommends {packages}"):
        subprocess.run(["apt-get", *command.split()], check=False, capture_output=True, env=quiet)
