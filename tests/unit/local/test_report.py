import io
import json
from pathlib import Path

from rich.console import Console

from movie_recommender.local import report
from movie_recommender.local.follow import TASKS, FinishedRun

KEYS = {
    "dag_id", "run_id", "state", "seconds", "tasks", "lake", "features", "metrics", "evaluation",
    "gate", "model", "notifications", "urls",
}  # fmt: skip
URLS = {"airflow": "http://a", "mlflow": "http://m", "serving": None}
RESULTS = {
    "extract_events": {
        "lake_versions": {"interactions": 4},
        "totals": {"interactions": 1000, "dead_letters": 2},
    },
    "compute_features": {
        "snapshot_id": "abc",
        "warnings": ["drift.hour is broken."],
        "drift": {"hour": 0.2},
        "page": "/s.html",
    },
    "train_model": {"version": 3},
    "evaluate_model": {
        "metrics": {"auc": 0.9, "ndcg_at_10": 0.6, "hit_rate_at_10": 0.8},
        "gate": {"passed": True, "reasons": []},
    },
    "deploy_model": {"name": "movie-recommender", "version": 3, "previous": 2, "changed": True},
}


def finished(state: str = "success") -> FinishedRun:
    times = {"start_date": "2026-11-23T02:00:00Z", "end_date": "2026-11-23T02:00:10Z"}
    tasks = [{"task_id": name, "state": "success", "try_number": 1, **times} for name in TASKS]
    return FinishedRun({"dag_run_id": "run-1", "state": state, **times}, tasks)


def test_a_whole_run() -> None:
    content = report.build(finished(), results=RESULTS, notifications=[], model_name="m", urls=URLS)
    assert set(content) == KEYS
    assert content["lake"] == {"version": 4, "interactions": 1000, "dead_letters": 2}
    assert content["features"] == {
        "snapshot_id": "abc",
        "seconds": 10.0,
        "warnings": ["drift.hour is broken."],
        "drift": {"hour": 0.2},
        "page": "/s.html",
    }
    assert content["model"] == {"name": "movie-recommender", "version": 3, "alias": "production"}
    assert content["tasks"]["train_model"] == {"state": "success", "seconds": 10.0, "try_number": 1}


def test_a_model_that_was_not_deployed_has_no_alias() -> None:
    results = {name: value for name, value in RESULTS.items() if name != "deploy_model"}
    content = report.build(finished(), results=results, notifications=[], model_name="m", urls=URLS)
    assert content["model"] == {"name": "m", "version": 3, "alias": None}


def test_a_run_that_failed_at_once_has_every_key() -> None:
    content = report.build(
        finished("failed"), results={}, notifications=[], model_name="m", urls=URLS
    )
    assert set(content) == KEYS
    assert content["lake"] == {"version": None, "interactions": None, "dead_letters": None}
    assert content["gate"] == {"passed": None, "reasons": []}
    report.render(content, finished("failed"), Console(file=io.StringIO()))


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "run_report.json"
    path.write_text("old")
    report.write(path, {"state": "success"})
    assert json.loads(path.read_text()) == {"state": "success"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_closing_lines_say_what_failed() -> None:
    gate = {
        "passed": False,
        "reasons": [
            {"rule": "auc", "value": 0.7, "threshold": 0.75, "passed": False},
            {"rule": "beats_popularity", "value": None, "threshold": None, "passed": False},
        ],
    }
    results = RESULTS | {"evaluate_model": {"metrics": {"auc": 0.7}, "gate": gate}}
    content = report.build(finished(), results=results, notifications=[], model_name="m", urls=URLS)
    output = io.StringIO()
    report.render(content, finished(), Console(file=output, width=120))
    assert "auc: 0.7000, needed 0.7500" in output.getvalue()
    assert "beats_popularity: missing, needed missing" in output.getvalue()
    assert "gate      not passed" in output.getvalue()
    assert "1,000 interactions" in output.getvalue()
    assert "http://m" in output.getvalue()


def test_the_closing_lines_have_intervals_and_who_is_ahead() -> None:
    lead = {"value": -0.02, "threshold": 0.0, "low": -0.03, "high": 0.0, "passed": False}
    reasons = [
        lead | {"rule": "beats_als", "severity": "warn", "about": ""},
        lead | {"rule": "no_slice_worse", "severity": "fail", "about": "new users"},
    ]
    evaluated = {
        "headline": "Model version 3 did not pass the gate; als beats it by 0.02",
        "page": "http://m/#/page.html",
        "metrics": {"auc": 0.9, "mrr": 0.5},
        "intervals": {"auc": [0.85, 0.95]},
        "gate": {"passed": False, "reasons": reasons},
    }
    results = RESULTS | {"evaluate_model": evaluated}
    content = report.build(finished(), results=results, notifications=[], model_name="m", urls=URLS)
    assert content["evaluation"]["intervals"] == {"auc": [0.85, 0.95]}
    output = io.StringIO()
    report.render(content, finished(), Console(file=output, width=120))
    for line in (
        "metrics   auc 0.9000 [0.8500, 0.9500]\n",
        "          mrr 0.5000\n",
        "gate      Model version 3 did not pass the gate; als beats it by 0.02\n",
        "          beats_als: -0.0200 [-0.0300, 0.0000], needed 0.0000, a warning\n",
        "          no_slice_worse (new users): -0.0200 [-0.0300, 0.0000], needed 0.0000\n",
        "          report http://m/#/page.html\n",
    ):
        assert line in output.getvalue()
