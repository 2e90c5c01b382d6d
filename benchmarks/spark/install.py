"""Spark and its jars for Kafka and Delta, in a directory of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

PYSPARK = "pyspark==4.1.1"


def install(directory: Path) -> tuple[Path, Path]:
    """A Python that has Spark, and the directory of the jars; fetched once (half a gigabyte)."""
    python, jars = directory / "venv" / "bin" / "python", directory / "jars"
    done = directory / ".complete"
    if not done.exists():
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PYSPARK], check=True)
        pom = Path(__file__).parent / "pom.xml"
        command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
        subprocess.run([*command, f"-DoutputDirectory={jars.resolve()}"], check=True)
        done.touch()
    return python, jars
