"""Exit codes and messages of the real program; 99 would mean "skipped" to Airflow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from movie_recommender.simulation.cli import main

ROOT = Path(__file__).parents[3]
NO_BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_TIMEOUT_S": "0.5"}
SMALL = {"SIMULATION_USERS": "5", "SIMULATION_MOVIES": "20"}


def simulate(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "sim" / "generate.py"), *args],
        env={"PATH": os.environ["PATH"], **NO_BROKER, **SMALL, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_daily_without_a_source_says_so_and_succeeds() -> None:
    result = simulate("daily", "--date", "2026-01-01", DATA_SOURCE="none")
    assert result.returncode == 0
    assert "DATA_SOURCE=none" in result.stderr


@pytest.mark.parametrize(
    ("args", "environment", "says"),
    [
        (("generate-all", "--date", "yesterday"), {}, "'--date': 'yesterday': expected a day"),
        (("generate-all", "--date", "0001-01-01"), {}, "'--date': '0001-01-01': expected a day"),
        (("generate-all", "--movies", "3"), {}, "'--movies': '3': Input should be greater"),
        (("generate-all", "--users", "many"), {}, "'--users': 'many': Input should be a valid"),
        (("daily",), {"SIMULATION_SEED": "-1"}, "SIMULATION_SEED='-1'"),
        (("daily",), {"DATA_SOURCE": "movielens"}, "Set MOVIELENS_PATH"),
        (("replay-movielens", "nowhere"), {}, "nowhere"),
        (("generate-all", "--dirt", "late=2"), {}, "SIMULATION_DIRT='late=2'"),
        (("generate-all", "--scale", "lots"), {}, "'--scale': 'lots': expected a number"),
        (("generate-all", "--scale", "1M", "--users", "9"), {}, "stands for --users and --movies"),
        (("generate-all", "--sink", "parquet"), {}, "needs --out"),
        (("generate-all", "--sink", "parquet", "--out", "x", "--dirt", "default"), {}, "no dirt"),
        (("generate-all", "--out", "x"), {}, "belongs to --sink parquet"),
    ],
)
def test_wrong_input_exits_2(
    args: tuple[str, ...],
    environment: dict[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here, without a process of its own for each: loading the program takes a second."""
    for name, value in {**NO_BROKER, **SMALL, **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["generate.py", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    # typer draws a box around a usage error and breaks its lines.
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_the_program_hands_the_exit_code_on() -> None:
    result = simulate("daily", SIMULATION_SEED="-1")
    assert result.returncode == 2
    assert "SIMULATION_SEED='-1'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_world_in_files_needs_no_broker(tmp_path: Path) -> None:
    options = ("--date", "2026-01-02", "--sink", "parquet", "--out", str(tmp_path / "world"))
    result = simulate("generate-all", *options, "--history-days", "1", "--scale", "1k")
    assert result.returncode == 0
    written = sorted(path.name for path in (tmp_path / "world" / "interactions").iterdir())
    assert written == ["2026-01-01.parquet", "2026-01-02.parquet"]
    assert pq.read_table(tmp_path / "world" / "interactions").num_rows == pytest.approx(
        1000, rel=0.3
    )
    assert "scale=1000" in result.stderr


def test_without_a_broker_it_exits_1_and_names_it() -> None:
    result = simulate("generate-all", "--date", "2026-01-01")
    assert result.returncode == 1
    assert "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_truth_is_written_and_a_user_s_best_movies_are_printed(tmp_path: Path) -> None:
    told = simulate("truth", "--date", "2026-01-01", "--out", str(tmp_path / "truth"))
    assert told.returncode == 0, told.stderr
    users = pq.read_table(tmp_path / "truth" / "users.parquet")
    movies = pq.read_table(tmp_path / "truth" / "movies.parquet")
    assert (users.num_rows, movies.num_rows) == (5, 20)
    user = users["user_id"][0].as_py()
    arguments = ("--out", str(tmp_path / "truth"), "--user", str(user), "--k", "3")
    lines = simulate("truth", "--date", "2026-01-01", *arguments).stdout.splitlines()
    affinity = np.stack(movies["vector"].to_pylist()) @ np.array(users["vector"][0].as_py())
    best = movies["movie_id"].to_numpy()[np.argsort(-affinity)[:3]]
    assert [int(line.split()[2]) for line in lines] == best.tolist()
