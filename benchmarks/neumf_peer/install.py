"""Cornac in a virtual environment of its own, with the project's NumPy and torch beside it."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

CORNAC = "cornac==3.0.1"


def install(directory: Path) -> Path:
    """A Python that has Cornac; made once.

    The project's libraries are lent to it by a path file: both sides then run on the same build
    of torch, and it isn't fetched a second time.
    """
    python, done = directory / "venv" / "bin" / "python", directory / ".complete"
    if not done.exists():
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        (site,) = (directory / "venv" / "lib").glob("python*/site-packages")
        (site / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", CORNAC], check=True)
        done.touch()
    return python
