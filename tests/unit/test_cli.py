"""The command line's exit codes and messages; what the commands do is tested with their rooms."""

import json

import pytest

from movie_recommender import cli


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["movie-recommender", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_settings_are_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hush")
    assert run(monkeypatch, "settings") == 0
    output = capsys.readouterr().out
    assert json.loads(output)["GATE_MIN_AUC"] == "0.75"
    assert "hush" not in output


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
