import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.slack.operators import slack_webhook
from airflow.providers.smtp.operators import smtp
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator

from movie_recommender.durations import in_words
from movie_recommender.orchestration import DAG_ID, sla
from movie_recommender.orchestration.operators import EmailOperator, SlackWebhookOperator

DAGS = Path(__file__).parents[3] / "dags"

WORK = {
    "generate_synthetic_data": BashOperator,
    "extract_events": PythonOperator,
    "compute_features": PythonOperator,
    "train_model": PythonOperator,
    "evaluate_model": PythonOperator,
    "deploy_model_check": BranchPythonOperator,
    "deploy_model": PythonOperator,
    "skip_deploy": EmptyOperator,
}
ALERTS = {
    "alert_success": SlackWebhookOperator,
    "alert_failure": SlackWebhookOperator,
    "alert_failure_email": EmailOperator,
}
UPSTREAM = {
    "generate_synthetic_data": set(),
    "extract_events": {"generate_synthetic_data"},
    "compute_features": {"extract_events"},
    "train_model": {"compute_features"},
    "evaluate_model": {"train_model"},
    "deploy_model_check": {"evaluate_model"},
    "deploy_model": {"deploy_model_check"},
    "skip_deploy": {"deploy_model_check"},
    "alert_success": {"deploy_model", "skip_deploy"},
    "alert_failure": set(WORK),
    "alert_failure_email": set(WORK),
}


def test_tasks_have_exactly_their_kinds(dag):
    assert {task.task_id: type(task) for task in dag.tasks} == WORK | ALERTS


def test_the_alerts_are_the_providers_operators_by_name_and_by_kind(dag):
    kinds = {
        "alert_success": slack_webhook.SlackWebhookOperator,
        "alert_failure": slack_webhook.SlackWebhookOperator,
        "alert_failure_email": smtp.EmailOperator,
    }
    for task_id, kind in kinds.items():
        assert isinstance(dag.task_dict[task_id], kind)
        assert dag.task_dict[task_id].task_type == kind.__name__


def test_edges(dag):
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == UPSTREAM


def test_work_is_a_chain(dag):
    """So a failure's alert, at the first failed task, names them all: no other can run then."""
    for task_id in WORK:
        beside = set(WORK) - {task_id}
        beside -= dag.task_dict[task_id].get_flat_relative_ids(upstream=True)
        beside -= dag.task_dict[task_id].get_flat_relative_ids(upstream=False)
        # These two are the branch's: one of them is skipped.
        expected = {"deploy_model": {"skip_deploy"}, "skip_deploy": {"deploy_model"}}
        assert beside == expected.get(task_id, set())


def test_a_further_channel_is_one_more_task(monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("ALERT_CHANNELS", "slack,mail,apprise")
    found = DagBag(dag_folder=str(DAGS)).dags[DAG_ID]
    task = found.task_dict["alert_failure_apprise"]
    assert set(found.task_dict) - set(WORK | ALERTS) == {task.task_id}
    assert task.upstream_task_ids == set(WORK)
    assert str(task.trigger_rule.value) == "one_failed"


def test_trigger_rules(dag):
    rules = dict.fromkeys(WORK, "all_success") | {
        "alert_success": "none_failed_min_one_success",
        "alert_failure": "one_failed",
        "alert_failure_email": "one_failed",
    }
    assert {task.task_id: str(task.trigger_rule.value) for task in dag.tasks} == rules


def test_branch_arrows_carry_their_reason(dag):
    assert dag.edge_info["deploy_model_check"] == {
        "deploy_model": {"label": "gate passed"},
        "skip_deploy": {"label": "gate not passed"},
    }


def test_defaults_reach_every_task(dag):
    for task in dag.tasks:
        assert task.owner == "ml-platform-team"
        assert task.retries == 2
        assert task.retry_delay == timedelta(minutes=5)
        assert task.execution_timeout == timedelta(hours=8)
        assert task.email is None
    assert dag.default_args["email"] == ["ml-platform-alerts@example.com"]
    assert dag.task_dict["alert_failure_email"].to == "ml-platform-alerts@example.com"


@pytest.mark.parametrize(("given", "seconds"), [("90", 90), ("soon", 300)])
def test_the_pause_before_a_retry_is_a_setting_that_stops_no_reading(monkeypatch, given, seconds):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("RETRY_DELAY_S", given)
    tasks = DagBag(dag_folder=str(DAGS)).dags[DAG_ID].tasks
    assert {task.retry_delay for task in tasks} == {timedelta(seconds=seconds)}


def test_schedule(dag):
    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable

    assert dag.dag_id == DAG_ID
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.is_paused_upon_creation is True
    assert dag.start_date < datetime.now(UTC)
    timetable = CronTriggerTimetable(dag.timetable.expression, timezone=dag.timetable.timezone)
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=True)
    first = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert first.run_after == datetime(2025, 1, 1, 2, tzinfo=UTC)
    following = timetable.next_dagrun_info_v2(last_dagrun_info=first, restriction=restriction)
    assert following.run_after == datetime(2025, 1, 2, 2, tzinfo=UTC)
    assert following.logical_date == following.run_after


def test_slas(dag):
    hours = {"generate_synthetic_data": 2, "extract_events": 1, "compute_features": 3}
    hours |= {"train_model": 4, "evaluate_model": 1, "deploy_model": 1}
    assert {
        task_id: limit / timedelta(hours=1) for task_id, limit in sla.slas().tasks.items()
    } == hours
    [deadline] = dag.deadline
    assert deadline.interval == timedelta(hours=6)
    assert deadline.reference.reference_name == "FirstQueuedAt"
    assert deadline.callback.path == "movie_recommender.orchestration.sla.run_sla_missed"


def test_every_page_says_how_to_go_on(dag):
    assert "02:00 UTC" in dag.doc_md
    for task in dag.tasks:
        assert "**By hand:**" in task.doc_md
        assert "**Rerun" in task.doc_md or task.task_id == "skip_deploy"
        limit = sla.slas().tasks.get(task.task_id)
        assert f"**SLA:** {in_words(limit) if limit else 'none'}" in task.doc_md


def test_inlets(dag):
    inlets = {t.task_id: [asset.name for asset in t.inlets] for t in dag.tasks if t.inlets}
    assert inlets == {
        "compute_features": ["movie_recommender.lake"],
        "train_model": ["movie_recommender.feature_store"],
        "evaluate_model": ["movie_recommender.feature_store"],
    }


def test_outlets(dag):
    outlets = {t.task_id: [asset.name for asset in t.outlets] for t in dag.tasks if t.outlets}
    assert outlets == {
        "extract_events": ["movie_recommender.lake"],
        "compute_features": ["movie_recommender.feature_store"],
        "deploy_model": ["movie_recommender.model"],
    }


def test_force_train_is_a_boolean_that_is_off(dag):
    from airflow.sdk.exceptions import ParamValidationError

    param = dag.params.get_param("force_train")
    assert param.value is False
    with pytest.raises(ParamValidationError):
        param.resolve("yes")


def test_the_simulator_cant_skip_its_task_and_keeps_the_environment(dag):
    task = dag.task_dict["generate_synthetic_data"]
    assert task.skip_on_exit_code == []
    assert task.append_env is True
    assert task.bash_command.startswith(f"{sys.executable} -m movie_recommender.simulation daily")


@pytest.mark.parametrize("logical_date", [datetime(2025, 6, 1, 2, tzinfo=UTC), None])
def test_the_simulated_day_is_the_one_before_the_run(dag, logical_date):
    run = SimpleNamespace(logical_date=logical_date, run_after=datetime(2025, 6, 1, 15, tzinfo=UTC))
    template = dag.get_template_env().from_string(
        dag.task_dict["generate_synthetic_data"].bash_command
    )
    assert template.render(dag_run=run).endswith("daily --date 2025-05-31")


def test_contacts_come_from_the_environment_even_when_a_setting_is_wrong(monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("ALERT_EMAIL", "others@example.com")
    monkeypatch.setenv("SLACK_CONN_ID", "our_slack")
    monkeypatch.setenv("GATE_MIN_AUC", "wrong")
    tasks = DagBag(dag_folder=str(DAGS)).dags[DAG_ID].task_dict
    assert tasks["alert_failure_email"].to == "others@example.com"
    assert tasks["alert_failure"].slack_webhook_conn_id == "our_slack"


def test_the_file_alone_is_enough_and_reading_it_is_cheap(tmp_path):
    shutil.copy(DAGS / f"{DAG_ID}.py", tmp_path)
    heavy = "torch mlflow duckdb pyarrow numpy pandas confluent_kafka deltalake".split()
    code = (
        "import sys; sys.argv = ['airflow', 'dag-processor']; "
        "from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag(dag_folder={str(tmp_path)!r}); "
        "assert list(bag.dags) == ['movie_recommender_pipeline'], bag.import_errors; "
        "import movie_recommender.orchestration.plugin; "
        f"heavy = [name for name in {heavy!r} if name in sys.modules]; "
        "assert not heavy, heavy; "
        "cellar = 'settings contacts errors forms sources durations pod_resources'.split(); "
        "rooms = [n for n in sys.modules if n.startswith('movie_recommender.') "
        "and n.split('.')[1] not in ('orchestration', *cellar)]; "
        "assert not rooms, rooms"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
