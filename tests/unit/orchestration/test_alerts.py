import pytest

from movie_recommender.orchestration import alerts, message
from movie_recommender.orchestration.alerts import ModelFacts, RunFacts

RUN = RunFacts(
    dag_id="movie_recommender_pipeline",
    run_id="manual__2025-06-01T02:00:00+00:00",
    execution_date="2025-06-01T02:00:00+00:00",
    base_url="http://airflow.test/",
)
RUN_URL = (
    "http://airflow.test/dags/movie_recommender_pipeline"
    "/runs/manual__2025-06-01T02%3A00%3A00%2B00%3A00"
)
EVIL = "<!channel> & *`code`\r\nBcc: eve@example.com \u202e|<script>alert(1)</script>"


def test_failure_names_run_date_and_every_failed_task_with_its_log():
    text = alerts.failure_alert(RUN, ["extract_events", "train_model"]).text
    assert text.splitlines() == [
        "🔴 *movie_recommender_pipeline failed*",
        "DAG: movie_recommender_pipeline",
        f"Run: <{RUN_URL}|manual__2025-06-01T02:00:00+00:00>",
        "Execution date: 2025-06-01T02:00:00+00:00",
        f"Failed tasks: <{RUN_URL}/tasks/extract_events|extract_events (log)>, "
        f"<{RUN_URL}/tasks/train_model|train_model (log)>",
    ]


def test_failure_mail_says_the_same():
    alert = alerts.failure_alert(RUN, ["train_model"])
    for part in (RUN.dag_id, RUN.run_id, RUN.execution_date, f'href="{RUN_URL}/tasks/train_model"'):
        assert part in alert.html
    assert alert.subject == (
        "[movie_recommender_pipeline] failed: train_model (manual__2025-06-01T02:00:00+00:00)"
    )


def model(**changes):
    facts = {
        "version": "7",
        "deployed": True,
        "gate_passed": True,
        "reasons": [{"rule": "auc", "value": 0.912345, "threshold": 0.75, "passed": True}],
        "metrics": {"ndcg_at_10": 0.61, "auc": 0.912345},
    }
    return ModelFacts(**(facts | changes))


def lines_of(**changes) -> list[str]:
    return alerts.success_alert(RUN, model(**changes)).text.splitlines()


def test_success_names_the_model_the_gate_and_its_reasons():
    lines = lines_of()
    assert lines[4:] == [
        "Model version: 7 (now in production)",
        "Gate: passed",
        "• auc: 0.9123 against 0.75: ok",
        "Metrics: auc 0.9123, ndcg_at_10 0.61",
        "Production: no other version to compare with",
    ]
    assert RUN.execution_date in lines[3]


def test_the_metrics_stand_beside_those_of_the_last_production_model():
    production = {"version": 6, "auc": 0.902345, "ndcg_at_10": 0.6}
    lines = lines_of(production=production, lead=[0.01, 0.004, 0.016])
    assert lines[7:] == [
        "Metrics (those of version 6 in production): auc 0.9123 (0.9023, +0.01), "
        "ndcg_at_10 0.61 (0.6, +0.01)",
        "Ahead of production in NDCG@10: +0.01 [0.004, 0.016]",
    ]


def test_success_can_be_mailed_too():
    alert = alerts.success_alert(RUN, model())
    assert "7 (now in production)" in alert.html
    assert alert.subject == (
        "[movie_recommender_pipeline] succeeded: version 7 now in production "
        "(manual__2025-06-01T02:00:00+00:00)"
    )


def test_warnings_of_the_features_are_told_and_many_are_counted():
    two = lines_of(warnings=["a is broken.", "b is broken."])
    assert two[-2:] == ["⚠ a is broken.", "⚠ b is broken."]
    many = lines_of(warnings=[f"{n}" for n in range(8)])
    assert many[-2:] == ["⚠ 4", "⚠ and 3 more, see the report"]


def test_a_refused_model_is_said_to_be_refused():
    reasons = [{"rule": "auc", "value": None, "threshold": 0.75, "passed": False}]
    lines = lines_of(deployed=False, gate_passed=False, reasons=reasons, metrics={})
    assert lines[4:] == [
        "Model version: 7 (not deployed; production is unchanged)",
        "Gate: not passed",
        "• auc: None against 0.75: NOT MET",
    ]


def test_reasons_have_their_intervals_and_what_they_are_about():
    worse = {"value": -0.0712, "low": -0.09, "high": -0.05, "threshold": -0.05, "passed": False}
    reasons = [
        worse | {"rule": "no_slice_worse", "about": "genre: Drama", "severity": "fail"},
        worse | {"rule": "beats_als", "about": "", "severity": "warn", "threshold": 0.0},
    ]
    assert lines_of(reasons=reasons)[6:8] == [
        "• no_slice_worse (genre: Drama): -0.0712 [-0.09, -0.05] against -0.05: NOT MET",
        "• beats_als: -0.0712 [-0.09, -0.05] against 0: WARNING",
    ]


def test_the_pages_are_linked():
    page = "http://mlflow.test/#/experiments/1/runs/a/artifacts/evaluation/2026-11-22.html"
    links = {"evaluation report": page, "model room": "http://serving.test/models"}
    assert lines_of(links=links)[-1] == (
        f"Links: <{page}|evaluation report>, <http://serving.test/models|model room>"
    )


def every_alert(value: str) -> list[alerts.Alert]:
    run = RunFacts(dag_id=value, run_id=value, execution_date=value, base_url="http://a")
    fields = ("rule", "value", "threshold", "low", "high", "about", "severity")
    evil = model(
        version=value,
        reasons=[dict.fromkeys(fields, value) | {"passed": True}],
        metrics={value: 1.0},
        production={"version": value},
        warnings=[value],
        links={value: value},
    )
    return [
        alerts.failure_alert(run, [value]),
        alerts.success_alert(run, evil),
        alerts.task_sla_alert(run, value, 1, sla="1 h", running="2 h"),
        alerts.run_sla_alert(run, sla="6 h"),
    ]


def test_no_value_pings_a_channel_or_breaks_a_line():
    for evil, harmless in zip(every_alert(EVIL), every_alert("x"), strict=True):
        assert "<!" not in evil.text
        assert "`" not in evil.text
        assert "\u202e" not in evil.text
        assert "&lt;!channel&gt; &amp; \u2217'code'" in evil.text
        assert evil.text.count("\n") == harmless.text.count("\n")
        assert evil.text.count("*") == 2  # those of the title
        # The only angle brackets are those of our own links.
        assert evil.text.count("<") == evil.text.count(">") == harmless.text.count("<")


def test_no_value_becomes_html_or_a_header():
    for alert in every_alert(EVIL):
        assert "<script" not in alert.html
        assert "&lt;script&gt;" in alert.html
        assert "\r" not in alert.subject
        assert "\n" not in alert.subject
        assert "\u202e" not in alert.subject


def test_long_values_are_cut():
    assert len(message.one_line("x" * 10_000)) == message.MAX_VALUE_CHARS


@pytest.mark.parametrize("failed", [[], iter(())])
def test_no_failed_task_found_is_said(failed):
    assert "none found" in alerts.failure_alert(RUN, failed).text


def test_sla_alerts_say_how_late():
    alert = alerts.task_sla_alert(RUN, "train_model", 2, sla="4 h", running="4 h 1 min")
    assert "train_model is late: begun 4 h 1 min ago, SLA 4 h" in alert.text
    assert "try 2" in alert.text
    assert f"{RUN_URL}/tasks/train_model" in alert.html
    assert "not finished 6 h after it was queued" in alerts.run_sla_alert(RUN, sla="6 h").subject
