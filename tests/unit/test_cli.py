"""The command line's exit codes and messages; what the commands do is tested with their rooms."""

import json
from pathlib import Path
from typing import Any

import pytest

from movie_recommender import cli
from movie_recommender.features import catalogue
from movie_recommender.features.groups import ORDER
from tests.unit.features.conftest import World


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["movie-recommender", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_settings_are_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush")
    monkeypatch.setenv("GATE_MIN_AUC", "0.7")
    assert run(monkeypatch, "settings", "--no-airflow", "--json") == 0
    output = capsys.readouterr().out
    found = json.loads(output)
    assert found["GATE_MIN_AUC"] == {
        "value": "0.7",
        "source": "environment",
        "meaning": "AUC that a model must reach to go into production.",
    }
    assert found["SLA_RUN"]["value"] == "6 h"
    assert found["SLA_RUN"]["source"] == "default"
    assert found["KAFKA_SASL_PASSWORD"]["source"] == "environment"
    assert "hush" not in output


def test_settings_as_a_table_say_where_each_value_comes_from_and_why_airflow_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AIRFLOW_HOME", "AIRFLOW_CONFIG", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush")
    monkeypatch.setenv("TRAINING_DAY", "never")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "[::1]:9092")
    assert run(monkeypatch, "settings") == 0
    shown = capsys.readouterr()
    [row] = [line for line in shown.out.splitlines() if line.startswith("TRAINING_DAY")]
    assert row.split()[1:3] == ["never", "environment"]
    assert "[::1]:9092" in shown.out
    assert "hush" not in shown.out
    assert "no Airflow is set up here" in shown.err


def test_a_wrong_variable_is_named_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "high")
    for command in (["settings"], ["extract"], ["features"], ["train"], ["models"], ["rollback"]):
        assert run(monkeypatch, *command) == 2
        assert "GATE_MIN_AUC='high'" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run(monkeypatch, "models") == 1
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["promote"], ["promote", "x"], ["features", "--as-of", "1"]])
def test_wrong_usage_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert run(monkeypatch, *arguments) == 2


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two days of events, nothing built."""
    world = World(tmp_path_factory.mktemp("w"))
    world.movie(7, "06-01 09:00", "Drama")
    world.user(42, "06-01 09:00", age=30)
    world.act("like", 42, 7, "06-01 10:00")
    world.act("view", 43, 7, "06-02 10:00")
    world.land()
    return world


@pytest.fixture(scope="module")
def published(lake: World) -> World:
    """With the snapshots of both days."""
    lake.build("06-02")
    lake.build("06-03")
    return lake


def use(monkeypatch: pytest.MonkeyPatch, lake: str, store: Path) -> None:
    monkeypatch.setenv("DATA_LAKE_PATH", lake)
    monkeypatch.setenv("FEATURE_STORE_PATH", str(store))


@pytest.fixture
def store(published: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the published file that the commands find."""
    copy = tmp_path / "store.duckdb"
    copy.write_bytes(published.store_path.read_bytes())
    use(monkeypatch, published.lake.path, copy)
    return copy


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must succeed: its JSON."""

    def printed(*arguments: str) -> Any:
        assert run(monkeypatch, *arguments) == 0
        return json.loads(capsys.readouterr().out)

    return printed


def test_features_alone_builds(
    lake: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Any
) -> None:
    use(monkeypatch, lake.lake.path, tmp_path / "store.duckdb")
    result = command("features", "--as-of", "2026-06-03")
    assert (result["n_users"], result["increment"], result["reused"]) == (2, False, False)
    assert command("features", "--as-of", "2026-06-03")["reused"]


def test_the_feature_groups_need_no_settings(
    monkeypatch: pytest.MonkeyPatch, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATE_MIN_AUC", "high")
    listed = command("features", "list")
    assert {group["name"] for group in listed} == set(ORDER)
    assert set(listed[0]) == {"name", "kind", "entity", "keys", "description"}
    told = command("features", "describe", "user_features")
    assert told["keys"] == "user_id"
    assert told["columns"][1] == {"name": "age", "type": "int32", "description": "in years"}
    assert run(monkeypatch, "features", "catalogue") == 0
    assert capsys.readouterr().out == catalogue.markdown()


def test_what_the_store_knows_about_users_and_movies(store: Path, command: Any) -> None:
    found = command("features", "show", "--user", "43", "--user", "42", "--movie", "7")
    assert [row["user_id"] for row in found["users"]] == [42, 43]
    assert found["users"][0]["taste"] == {"Drama": 1.0}
    assert found["users"][1]["last_active"] == "2026-06-02T10:00:00+00:00"
    assert [row["title"] for row in found["movies"]] == ["T"]


def test_snapshots_are_listed_compared_rebuilt_and_forgotten(
    store: Path, command: Any, tmp_path: Path
) -> None:
    newest, oldest = command("features", "snapshots")
    assert (newest["as_of"], oldest["as_of"]) == (
        "2026-06-03T00:00:00+00:00",
        "2026-06-02T00:00:00+00:00",
    )
    told = command("features", "diff", oldest["id"][:6], "latest")
    assert told["registry"]["row_counts.user_features"] == {"a": 1, "b": 2}
    assert told["tables"]["user_features"]["added"] == 1
    to = tmp_path / "old.duckdb"
    rebuilt = command("features", "rebuild", "--snapshot", oldest["id"], "--to", str(to))
    assert (rebuilt["path"], rebuilt["row_counts"]) == (str(to), oldest["row_counts"])
    kept = command("features", "prune", "--keep-days", "0", "--keep", oldest["id"])
    assert kept["forgotten"] == []
    gone = command("features", "prune", "--keep-days", "0")
    assert [one["id"] for one in gone["forgotten"]] == [oldest["id"]]
    assert [one["id"] for one in command("features", "snapshots")] == [newest["id"]]


def test_past_days_are_filled(
    lake: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Any
) -> None:
    use(monkeypatch, lake.lake.path, tmp_path / "store.duckdb")
    result = command("backfill", "--from", "2026-06-01", "--to", "2026-06-02")
    assert [day["day"] for day in result["days"]] == ["2026-06-01", "2026-06-02"]
    shown = command("features", "snapshots")
    assert [one["id"] for one in shown] == [day["snapshot_id"] for day in result["days"]][::-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["features", "lits"], "lits"),
        (["features", "--as-of", "2026-06-01", "list"], "--as-of"),
        (["features", "describe", "users"], "'users', expected one of: training_frame"),
        (["features", "show"], "--user ID or --movie ID"),
        (["features", "show", "--user", "x"], "--user"),
        (["features", "show", "--user", "1", "--movie", "2"], "user 1, movie 2"),
        (["features", "rebuild", "--snapshot", "latest"], "--to"),
        (["features", "rebuild", "--snapshot", "abcdef", "--to", "x"], "'abcdef'"),
        (["features", "prune", "--keep-days", "-1"], "--keep-days"),
        (["features", "prune", "--keep", "abcdef"], "'abcdef'"),
        (["features", "diff", "latest"], "{b}"),
        (["features", "diff", "latest", "abcdef"], "'abcdef'"),
        (["backfill", "--from", "2026-06-01"], "--to"),
        (["backfill", "--from", "2026-06-02", "--to", "2026-06-01"], "2026-06-02"),
        (["backfill", "--from", "yesterday", "--to", "2026-06-01"], "yesterday"),
    ],
)
def test_what_a_features_command_cannot_use_is_named_with_exit_code_2(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err


def test_without_a_published_store_it_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FEATURE_STORE_PATH", str(tmp_path / "store.duckdb"))
    for arguments in (["show", "--user", "1"], ["snapshots"], ["diff", "latest", "latest"]):
        assert run(monkeypatch, "features", *arguments) == 1
        assert "Build it with `movie-recommender features`" in capsys.readouterr().err


def test_status_tells_what_is_down_and_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    use(monkeypatch, str(tmp_path / "lake"), tmp_path / "store.duckdb")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("KAFKA_TIMEOUT_S", "0.3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run(monkeypatch, "status", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["well"] is False
    assert [each["part"] for each in told["care"]] == ["lake", "kafka", "features", "model"]
    assert "127.0.0.1:9" in told["kafka"]["problem"]
    assert told["lake"] == {"tables": {}}
    assert (told["serving"], told["airflow"]) == (None, None)
    assert run(monkeypatch, "status") == 1
    assert "4 to look after" in capsys.readouterr().out


def test_status_names_a_wrong_variable_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_API_URL", "airflow:8080")
    assert run(monkeypatch, "status") == 2
    assert "AIRFLOW_API_URL='airflow:8080'" in capsys.readouterr().err
