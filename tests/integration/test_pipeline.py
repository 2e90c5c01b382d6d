"""The real DAG on the real stack, as `make run` drives it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from playwright.sync_api import expect, sync_playwright

from movie_recommender.lake import Lake
from movie_recommender.local import process
from tests.chromium import chromium

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

WORK = (
    "generate_synthetic_data",
    "extract_events",
    "compute_features",
    "train_model",
    "evaluate_model",
    "deploy_model_check",
)


@dataclass
class Stack:
    """A stack in a directory of its own, driven by the command behind `make run`."""

    var: Path

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "movie_recommender.local", *arguments]
        # The suite's own Airflow settings are not the stack's.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        # A broker that answers at the default address is used: its topics stay as they are.
        inherited["KAFKA_TOPIC_PREFIX"] = self.prefix
        return subprocess.run(
            [*command, "--var", str(self.var)],
            capture_output=True,
            text=True,
            check=False,
            env={**inherited, **environment},
            timeout=600,
        )

    @property
    def prefix(self) -> str:
        return f"test-{self.var.parent.name}-{os.getpid()}."

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        small = ("--users", "600", "--movies", "400", "--history-days", "20")
        return self.call("run", *small, *arguments, **environment)

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.var / "run_report.json").read_text())
        return content

    @property
    def lake(self) -> Lake:
        (path,) = self.var.glob("synthetic*/lake")
        return Lake(str(path))

    def event_ids(self) -> list[str]:
        table = self.lake.dataset("interactions").to_table(columns=["event_id"])
        return sorted(table["event_id"].to_pylist())

    def interactions_but(self, event_ids: list[str]) -> list[dict[str, Any]]:
        table = self.lake.dataset("interactions").to_table()
        known = pc.is_in(table["event_id"], pa.array(event_ids))
        return table.filter(pc.invert(known)).to_pylist()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    cache = Path(__file__).parents[2] / "var" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (stack.var / "cache").symlink_to(cache)  # the broker's jars are fetched once, not every time
    yield stack
    stack.call("stop")
    assert _servers(stack) == []


@pytest.fixture(scope="module")
def first(stack: Stack) -> dict[str, Any]:
    done = stack.run()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return stack.report


def test_from_events_to_a_verdict(first: Mapping[str, Any]) -> None:
    assert first["state"] == "success"
    states = {task: entry["state"] for task, entry in first["tasks"].items()}
    assert {states[task] for task in WORK} == {"success"}
    branch = (
        ("deploy_model", "skip_deploy")
        if first["gate"]["passed"]
        else ("skip_deploy", "deploy_model")
    )
    assert (states[branch[0]], states[branch[1]]) == ("success", "skipped")
    assert states["alert_success"] == "success"
    assert {states["alert_failure"], states["alert_failure_email"]} == {"skipped"}


def test_the_report_is_complete(first: Mapping[str, Any]) -> None:
    assert first["lake"]["interactions"] > 10_000
    assert first["features"]["snapshot_id"]
    assert {"auc", "ndcg_at_10", "hit_rate_at_10"} <= set(first["metrics"])
    assert [reason["rule"] for reason in first["gate"]["reasons"]][:4] == [
        "judged_users",
        "auc",
        "ndcg_at_10",
        "hit_rate_at_10",
    ]
    assert first["model"]["version"] == 1
    assert all(
        entry["seconds"] is not None
        for entry in first["tasks"].values()
        if entry["state"] == "success"
    )


def test_success_is_told_to_slack_once(first: Mapping[str, Any]) -> None:
    (message,) = first["notifications"]
    assert message["channel"] == "slack"
    assert "movie_recommender_pipeline" in message["text"]
    assert first["run_id"] in message["text"]


def test_status_tells_the_same_of_the_run(stack: Stack, first: Mapping[str, Any]) -> None:
    lake = Path(stack.lake.path)
    servers = json.loads((stack.var / "stack.json").read_text())["ports"]
    world = {
        "DATA_LAKE_PATH": str(lake),
        "FEATURE_STORE_PATH": str(lake.parent / "features" / "feature_store.duckdb"),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{servers['kafka']}",
        "KAFKA_TOPIC_PREFIX": f"{stack.prefix}{lake.parent.name}.",
        "MODEL_NAME": first["model"]["name"],
        "MLFLOW_TRACKING_URI": first["urls"]["mlflow"],
        "SERVING_URL": first["urls"]["serving"],
        "AIRFLOW_API_URL": first["urls"]["airflow"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "movie_recommender.cli", "status", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **world},
    )
    told = json.loads(done.stdout)
    parts = {name: seen for name, seen in told.items() if isinstance(seen, dict)}
    assert {name: seen["problem"] for name, seen in parts.items() if "problem" in seen} == {}
    assert told["lake"]["tables"]["interactions"]["rows"] == first["lake"]["interactions"]
    assert sum(topic["messages"] for topic in told["kafka"]["topics"].values()) < 100
    assert told["features"]["id"] == first["features"]["snapshot_id"]
    assert list(told["features"]["warnings"].values()) == first["features"]["warnings"]
    (version,) = told["model"]["versions"]
    assert (version["version"], version["gate_passed"]) == (1, first["gate"]["passed"])
    assert version["metrics"]["auc"] == pytest.approx(first["metrics"]["auc"])
    assert set(told["airflow"]["healthy"].values()) == {True}
    last = told["airflow"]["last"]
    assert (last["run_id"], last["state"]) == (first["run_id"], "success")
    assert {task["task_id"]: task["state"] for task in last["tasks"]} == {
        task: entry["state"] for task, entry in first["tasks"].items()
    }
    assert told["serving"]["ready"] is first["gate"]["passed"]
    assert done.returncode == (1 if told["care"] else 0)


def like_first(url: str) -> tuple[list[int], str]:
    """Likes the first movie of a new visitor's list; the movies shown, and the list's id."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Begin as a new user").click()
        cards = page.locator(".cards input[name=movie_id]")
        shown = [int(card.get_attribute("value") or "") for card in cards.all()]
        impression_id = page.locator(".cards input[name=impression_id]").first
        name = impression_id.get_attribute("value") or ""
        page.get_by_role("button", name="Like").first.click()
        expect(page.get_by_role("status")).to_contain_text("You like")
        browser.close()
    return shown, name


def run_day(report: Mapping[str, Any]) -> str:
    """The UTC date in the run's id, such as `scheduled__2026-11-25T02:00:00+00:00`."""
    return str(report["run_id"]).split("__")[1][:10]


def run_again(stack: Stack) -> dict[str, Any]:
    """The report of one more run on servers that run already."""
    done = stack.run()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "runs already" in done.stdout
    return stack.report


def test_the_same_day_again_changes_nothing(stack: Stack, first: Mapping[str, Any]) -> None:
    before, again = stack.event_ids(), run_again(stack)
    if run_day(again) != run_day(first):
        # Before 02:00 UTC the schedule's newest run is yesterday's, one by hand today's.
        first, before, again = again, stack.event_ids(), run_again(stack)
    assert run_day(again) == run_day(first)
    assert again["run_id"] != first["run_id"]
    assert stack.event_ids() == before
    assert len(set(before)) == len(before)
    assert again["lake"]["interactions"] == first["lake"]["interactions"]
    assert again["features"]["snapshot_id"] == first["features"]["snapshot_id"]
    assert again["model"]["version"] == first["model"]["version"]
    assert again["metrics"] == first["metrics"]
    assert [message["channel"] for message in again["notifications"]] == ["slack"]


def test_a_like_on_the_page_is_learned_from_after_kill_9_of_servers(
    stack: Stack, first: Mapping[str, Any]
) -> None:
    before = stack.event_ids()
    shown, impression_id = like_first(first["urls"]["serving"])
    for server in _servers(stack):
        if "kafka.Kafka" in " ".join(server.cmdline()) or "scheduler" in " ".join(server.cmdline()):
            server.send_signal(signal.SIGKILL)
    done = stack.run("--force-train")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "started" in done.stdout
    added = stack.interactions_but(before)
    lists = [json.loads(row["extra"])["impression_id"] for row in added]
    of_list = [row for row, each in zip(added, lists, strict=True) if each == impression_id]
    seen = [row for row in of_list if row["event_type"] == "impression"]
    assert [row["movie_id"] for row in sorted(seen, key=itemgetter("position"))] == shown
    (like,) = (row for row in added if row["event_type"] == "like")
    assert like in of_list
    assert (like["movie_id"], like["position"]) == (shown[0], 0)
    assert stack.report["model"]["version"] == 2


def test_a_failing_task_is_named_in_slack_and_mail(
    stack: Stack, first: Mapping[str, Any], tmp_path: Path
) -> None:
    blocked = tmp_path / "a_file"
    blocked.write_text("")
    done = stack.run(FEATURE_STORE_PATH=str(blocked / "feature_store.duckdb"))
    assert done.returncode == 1
    failed = stack.report
    assert failed["state"] == "failed"
    states = {task: entry["state"] for task, entry in failed["tasks"].items()}
    assert states["extract_events"] == "success"
    assert states["compute_features"] == "failed"
    assert failed["tasks"]["compute_features"]["try_number"] == 1  # a retry could not help
    assert states["train_model"] == "upstream_failed"
    assert "FEATURE_STORE_PATH" in done.stdout
    channels = {message["channel"]: message for message in failed["notifications"]}
    assert set(channels) == {"slack", "mail"}
    assert len(failed["notifications"]) == 2
    for message in channels.values():
        assert "compute_features" in message["text"]
        assert failed["run_id"] in message["text"]
        assert "train_model" not in message["text"]
    assert channels["mail"]["to"] == ["ml-platform-alerts@example.com"]


def test_a_missing_movielens_folder_starts_nothing(tmp_path: Path) -> None:
    other = Stack(tmp_path / "var")
    done = other.call("run", "--movielens", str(tmp_path / "no-such-folder"))
    assert done.returncode == 2
    assert "no-such-folder" in done.stderr
    assert _servers(other) == []


def _servers(stack: Stack) -> list[psutil.Process]:
    names = ("kafka", "mlflow", "sink", "airflow")
    return [
        found for name in names for found in process.running(stack.var.resolve() / f"{name}.pid")
    ]
