"""The DAG run by Airflow in this process: real operators, real alerts to local servers.

The rooms are stand-ins; the integration tests run the real ones.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.orchestration.outbox import Outbox
from tests.unit.orchestration.rooms import Rooms
from tests.unit.orchestration.sinks import MailSink, SlackSink

pytestmark = pytest.mark.integration  # a real metadata database: slow

SUNDAY = datetime(2025, 6, 1, 2, tzinfo=UTC)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(monkeypatch)


@pytest.fixture
def execute(
    dag: Any, airflow_db: None, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Any:
    """Runs the DAG; gives (the run's state, its tasks' states, the run's id)."""
    monkeypatch.setenv("SERVING_URL", "http://serving.test")
    monkeypatch.setattr(dag, "deadline", None)  # dag.test() crashes with one: apache/airflow 73428
    for task in dag.tasks:
        monkeypatch.setattr(task, "retries", 0)
    # The real template in a real shell, but the simulator's command is written down, not run.
    simulate = dag.task_dict["generate_synthetic_data"]
    command = f"echo {simulate.bash_command} > {tmp_path}/simulated"
    monkeypatch.setattr(simulate, "bash_command", command)

    def run(**arguments: Any) -> tuple[str, dict[str, str], str]:
        result = dag.test(**arguments)
        states = {ti.task_id: str(ti.state) for ti in result.get_task_instances()}
        return str(result.state), states, result.run_id

    return run


def test_a_passed_gate_deploys_and_tells_slack(
    execute: Any, rooms: Rooms, slack: SlackSink, mail: MailSink
) -> None:
    state, tasks, run_id = execute(logical_date=SUNDAY, run_conf={"force_train": True})
    assert state == "success"
    assert tasks["deploy_model"] == tasks["alert_success"] == "success"
    assert tasks["skip_deploy"] == tasks["alert_failure"] == "skipped"
    assert tasks["alert_failure_email"] == "skipped"
    assert rooms.calls["training"]["force"] is True
    assert rooms.calls["training"]["request_id"] == run_id
    assert rooms.calls["training"]["run_date"] == SUNDAY.date()
    [text] = slack.texts
    assert "Model version: 7 (now in production)" in text
    assert "auc: 0.9 against 0.75: ok" in text
    assert "Metrics (those of version 6 in production): auc 0.9 (0.85, +0.05)" in text
    assert "Ahead of production in NDCG@10: +0.02 [0.01, 0.03]" in text
    assert "Execution date: 2025-06-01T02:00:00+00:00" in text
    page = "http://localhost:5000/#/models/movie-recommender/versions/7"
    assert f"<http://mlflow.test/#/report|evaluation report>, <{page}|model version>, <" in text
    assert "<http://serving.test/models|model room>" in text
    assert mail.mails == []


def test_a_refused_gate_skips_deployment_in_a_run_by_hand(
    execute: Any, rooms: Rooms, slack: SlackSink, tmp_path: Path
) -> None:
    rooms.gate_passed = False
    state, tasks, _ = execute(logical_date=None, run_after=SUNDAY)
    assert state == "success"
    assert tasks["skip_deploy"] == tasks["alert_success"] == "success"
    assert tasks["deploy_model"] == "skipped"
    assert "registry" not in rooms.calls
    assert "not deployed; production is unchanged" in slack.texts[0]
    assert (tmp_path / "simulated").read_text().endswith("daily --date 2025-05-31\n")


def test_a_failing_task_fails_the_run_and_both_channels_name_it(
    execute: Any, rooms: Rooms, slack: SlackSink, mail: MailSink
) -> None:
    rooms.raises["training"] = InputDataError("no examples")
    state, tasks, run_id = execute(logical_date=None, run_after=SUNDAY)
    assert state == "failed"
    assert tasks["train_model"] == "failed"
    assert tasks["alert_success"] == "upstream_failed"
    [text] = slack.texts
    [(recipients, content)] = mail.mails
    assert recipients == ["ml-platform-alerts@example.com"]
    for message in (text, content):
        assert "train_model (log)" in message
        assert "extract_events (log)" not in message
        assert run_id in message
    assert "Failed tasks" in text


def test_without_connections_the_run_keeps_its_outcome(execute: Any, rooms: Rooms) -> None:
    state, tasks, _ = execute(logical_date=None, run_after=SUNDAY)
    assert state == "success"
    assert tasks["alert_success"] == "skipped"


def test_a_dead_slack_leaves_the_runs_outcome_and_a_mail_stands_in(
    execute: Any, rooms: Rooms, slack: SlackSink, mail: MailSink
) -> None:
    slack.status = 500
    state, tasks, _ = execute(logical_date=None, run_after=SUNDAY)
    assert state == "success"
    assert tasks["alert_success"] == "skipped"
    [content] = mail.texts
    assert "because slack didn" in content
    assert "7 (now in production)" in content


def test_an_alert_that_is_nowhere_fails_its_task(
    execute: Any, rooms: Rooms, slack: SlackSink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALERT_OUTBOX", str(tmp_path / "file" / "outbox"))
    slack.status = 500
    state, tasks, _ = execute(logical_date=None, run_after=SUNDAY)
    assert (state, tasks["alert_success"]) == ("failed", "failed")


def test_every_alert_of_an_outage_arrives_exactly_once(
    execute: Any, rooms: Rooms, slack: SlackSink, mail: MailSink, outbox: Outbox
) -> None:
    """Slack answers 500 and mail is refused while one run succeeds and one fails; the next
    run, with both back, delivers what waited, each alert once and by its own channel."""
    slack.status, mail.refuses = 500, {"RCPT": "450 busy"}
    *_, succeeded = execute(logical_date=None, run_after=SUNDAY)
    rooms.raises["training"] = InputDataError("no examples")
    state, tasks, failed = execute(logical_date=None, run_after=SUNDAY)
    assert state == "failed"
    assert tasks["alert_failure"] == tasks["alert_failure_email"] == "skipped"
    assert (slack.messages, mail.mails, len(outbox.waiting())) == ([], [], 3)

    slack.status, mail.refuses = 200, {}
    rooms.raises.clear()
    *_, last = execute(logical_date=None, run_after=SUNDAY)
    assert outbox.waiting() == []
    arrived = [
        ("succeeded" in text, run)
        for text in slack.texts
        for run in (succeeded, failed, last)
        if run in text
    ]
    assert sorted(arrived) == sorted([(True, succeeded), (False, failed), (True, last)])
    [content] = mail.texts
    assert failed in content
    assert "train_model (log)" in content
