import pytest

from movie_recommender.orchestration import alerts
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
EVIL = "<!channel> & `code`\r\nBcc: eve@example.com \u202e|<script>alert(1)</script>"


def test_failure_names_run_date_and_every_failed_task_with_its_log():
    text = alerts.failure_text(RUN, ["extract_events", "train_model"])
    assert text.splitlines() == [
        ":red_circle: *movie_recommender_pipeline failed*",
        "DAG: movie_recommender_pipeline",
        f"Run: <{RUN_URL}|manual__2025-06-01T02:00:00+00:00>",
        "Execution date: 2025-06-01T02:00:00+00:00",
        f"Failed tasks: <{RUN_URL}/tasks/extract_events|extract_events (log)>, "
        f"<{RUN_URL}/tasks/train_model|train_model (log)>",
    ]


def test_failure_mail_says_the_same():
    mail = alerts.failure_mail(RUN, ["train_model"])
    for part in (RUN.dag_id, RUN.run_id, RUN.execution_date, f'href="{RUN_URL}/tasks/train_model"'):
        assert part in mail
    assert alerts.failure_subject(RUN, ["train_model"]) == (
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


def test_success_names_the_model_the_gate_and_its_reasons():
    lines = alerts.success_text(RUN, model()).splitlines()
    assert lines[4:] == [
        "Model version: 7 (now in production)",
        "Gate: passed",
        "• auc: 0.9123 against 0.75: ok",
        "Metrics: auc 0.9123, ndcg_at_10 0.61",
    ]
    assert RUN.execution_date in lines[3]


def test_warnings_of_the_features_are_told_and_many_are_counted():
    two = alerts.success_text(RUN, model(warnings=["a is broken.", "b is broken."])).splitlines()
    assert two[-2:] == [":warning: a is broken.", ":warning: b is broken."]
    many = alerts.success_text(RUN, model(warnings=[f"{n}" for n in range(8)])).splitlines()
    assert many[-2:] == [":warning: 4", ":warning: and 3 more, see the report"]


def test_a_refused_model_is_said_to_be_refused():
    reasons = [{"rule": "auc", "value": None, "threshold": 0.75, "passed": False}]
    text = alerts.success_text(
        RUN, model(deployed=False, gate_passed=False, reasons=reasons, metrics={})
    )
    assert "Model version: 7 (not deployed; production is unchanged)" in text
    assert "Gate: not passed" in text
    assert "• auc: None against 0.75: NOT MET" in text


def test_reasons_have_their_intervals_and_what_they_are_about():
    worse = {"value": -0.0712, "low": -0.09, "high": -0.05, "threshold": -0.05, "passed": False}
    reasons = [
        worse | {"rule": "no_slice_worse", "about": "genre: Drama", "severity": "fail"},
        worse | {"rule": "beats_als", "about": "", "severity": "warn", "threshold": 0.0},
    ]
    lines = alerts.success_text(RUN, model(reasons=reasons)).splitlines()
    assert lines[6:8] == [
        "• no_slice_worse (genre: Drama): -0.0712 [-0.09, -0.05] against -0.05: NOT MET",
        "• beats_als: -0.0712 [-0.09, -0.05] against 0: WARNING",
    ]


def test_the_report_is_linked():
    page = "http://mlflow.test/#/experiments/1/runs/a/artifacts/evaluation/2026-11-22.html"
    lines = alerts.success_text(RUN, model(page=page)).splitlines()
    assert lines[-1] == f"Report: <{page}|evaluation>"


def slack_messages(value: str) -> list[str]:
    evil_run = RunFacts(dag_id=value, run_id=value, execution_date=value, base_url="http://a")
    fields = ("rule", "value", "threshold", "low", "high", "about", "severity")
    reasons = [dict.fromkeys(fields, value) | {"passed": True}]
    return [
        alerts.failure_text(evil_run, [value]),
        alerts.success_text(
            evil_run,
            model(
                version=value, reasons=reasons, metrics={value: 1.0}, warnings=[value], page=value
            ),
        ),
        alerts.task_sla_alert(evil_run, value, 1, sla="1 h", running="2 h").text,
        alerts.run_sla_alert(evil_run, sla="6 h").text,
    ]


def test_no_value_pings_a_channel_or_breaks_a_line():
    plain = slack_messages("x")
    for evil, harmless in zip(slack_messages(EVIL), plain, strict=True):
        assert "<!" not in evil
        assert "`" not in evil
        assert "\u202e" not in evil
        assert "&lt;!channel&gt; &amp; 'code'" in evil
        assert evil.count("\n") == harmless.count("\n")
        # The only angle brackets are those of our own links.
        assert evil.count("<") == evil.count(">") == harmless.count("<")


def test_no_value_becomes_html_or_a_header():
    evil_run = RunFacts(dag_id=EVIL, run_id=EVIL, execution_date=EVIL, base_url="http://a")
    late = alerts.run_sla_alert(evil_run, sla="6 h")
    for html in (alerts.failure_mail(evil_run, [EVIL]), late.html):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
    for subject in (alerts.failure_subject(evil_run, [EVIL]), late.subject):
        assert "\r" not in subject
        assert "\n" not in subject


def test_long_values_are_cut():
    assert len(alerts.one_line("x" * 10_000)) == alerts.MAX_VALUE_CHARS


@pytest.mark.parametrize("failed", [[], iter(())])
def test_no_failed_task_found_is_said(failed):
    assert "none found" in alerts.failure_text(RUN, failed)


def test_sla_alerts_say_how_late():
    alert = alerts.task_sla_alert(RUN, "train_model", 2, sla="4 h", running="4 h 1 min")
    assert "train_model is late: running for 4 h 1 min, SLA 4 h" in alert.text
    assert "try 2" in alert.text
    assert f"{RUN_URL}/tasks/train_model" in alert.html
    assert "not finished 6 h after it was queued" in alerts.run_sla_alert(RUN, sla="6 h").subject
