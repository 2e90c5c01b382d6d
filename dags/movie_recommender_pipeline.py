"""From the day's events to a recommender in production, every night at 02:00 UTC.

    generate_synthetic_data  →  Kafka
    extract_events           →  data lake (Delta)
    compute_features         →  feature store (DuckDB)
    train_model              →  MLflow           Sundays, forced, or when there is no model
    evaluate_model           →  metrics, gate
    deploy_model_check       →  deploy_model  or  skip_deploy

A run learns from events before midnight UTC at the start of its date and can be repeated: the
same date gives the same data. **Train now:** trigger with `{"force_train": true}`. **Take a model
back:** `movie-recommender rollback`. **Alerts** go to Slack (connection `slack_default`) and, on
failure, to `ALERT_EMAIL` (connection `smtp_default`); a task or run over its SLA is alerted while
it is still late. Trigger by hand or un-pause; the first un-pause starts the last due run at once.
"""

import shlex
import sys
from datetime import UTC, datetime, timedelta

from airflow.providers.slack.operators.slack_webhook import SlackWebhookOperator
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.smtp.operators.smtp import EmailOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import (
    DAG,
    Asset,
    AsyncCallback,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    Label,
    Param,
    TriggerRule,
)

from movie_recommender.orchestration import delivery, pods, tasks
from movie_recommender.orchestration.facts import MACROS
from movie_recommender.orchestration.sla import RUN_SLA, run_sla_missed
from movie_recommender.orchestration.task_docs import DOCS
from movie_recommender.settings import alert_contacts

CONTACTS = alert_contacts()

LAKE = Asset("movie_recommender.lake")
FEATURE_STORE = Asset("movie_recommender.feature_store")
MODEL = Asset("movie_recommender.model")

DEFAULT_ARGS = {
    "owner": "ml-platform-team",
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=8),
}

slack_unreachable = SmtpNotifier(
    to=CONTACTS.alert_email,
    smtp_conn_id=CONTACTS.smtp_conn_id,
    subject="[{{ dag.dag_id }}] Slack could not be reached by {{ ti.task_id }}",
    html_content="<p>The message that Slack refused:</p><pre>{{ task.message | e }}</pre>",
)

with DAG(
    dag_id="movie_recommender_pipeline",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=DEFAULT_ARGS,
    params={"force_train": Param(False, type="boolean", description="Train whatever the day.")},
    deadline=DeadlineAlert(
        name="run SLA",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=RUN_SLA,
        callback=AsyncCallback(run_sla_missed),
    ),
    user_defined_macros=MACROS,
    tags=["movie-recommender", "ml-platform-team"],
) as dag:
    generate_synthetic_data = BashOperator(
        task_id="generate_synthetic_data",
        bash_command=f"{shlex.quote(sys.executable)} -m movie_recommender.simulation daily "
        "--date {{ event_date(dag_run) }}",
        append_env=True,
        skip_on_exit_code=None,
        doc_md=DOCS["generate_synthetic_data"],
    )
    extract_events = PythonOperator(
        task_id="extract_events",
        python_callable=tasks.extract_events,
        outlets=[LAKE],
        doc_md=DOCS["extract_events"],
    )
    compute_features = PythonOperator(
        task_id="compute_features",
        python_callable=tasks.compute_features,
        outlets=[FEATURE_STORE],
        doc_md=DOCS["compute_features"],
    )
    train_model = PythonOperator(
        task_id="train_model",
        python_callable=tasks.train_model,
        doc_md=DOCS["train_model"],
    )
    evaluate_model = PythonOperator(
        task_id="evaluate_model",
        python_callable=tasks.evaluate_model,
        doc_md=DOCS["evaluate_model"],
    )
    deploy_model_check = BranchPythonOperator(
        task_id="deploy_model_check",
        python_callable=tasks.deploy_model_check,
        doc_md=DOCS["deploy_model_check"],
    )
    deploy_model = PythonOperator(
        task_id="deploy_model",
        python_callable=tasks.deploy_model,
        outlets=[MODEL],
        doc_md=DOCS["deploy_model"],
    )
    skip_deploy = EmptyOperator(
        task_id="skip_deploy",
        doc_md=DOCS["skip_deploy"],
    )
    alert_success = SlackWebhookOperator(
        task_id="alert_success",
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        slack_webhook_conn_id=CONTACTS.slack_conn_id,
        message="{{ success_text(ti, dag_run) }}",
        pre_execute=delivery.prepare_slack,
        on_failure_callback=slack_unreachable,
        doc_md=DOCS["alert_success"],
    )
    alert_failure = SlackWebhookOperator(
        task_id="alert_failure",
        trigger_rule=TriggerRule.ONE_FAILED,
        slack_webhook_conn_id=CONTACTS.slack_conn_id,
        message="{{ failure_text(ti, dag_run) }}",
        pre_execute=delivery.prepare_slack,
        on_failure_callback=slack_unreachable,
        doc_md=DOCS["alert_failure"],
    )
    alert_failure_email = EmailOperator(
        task_id="alert_failure_email",
        trigger_rule=TriggerRule.ONE_FAILED,
        conn_id=CONTACTS.smtp_conn_id,
        to=CONTACTS.alert_email,
        subject="{{ failure_subject(ti, dag_run) }}",
        html_content="{{ failure_mail(ti, dag_run) }}",
        pre_execute=delivery.prepare_mail,
        doc_md=DOCS["alert_failure_email"],
    )

    generate_synthetic_data >> extract_events >> compute_features >> train_model >> evaluate_model
    evaluate_model >> deploy_model_check
    deploy_model_check >> Label("gate passed") >> deploy_model
    deploy_model_check >> Label("gate not passed") >> skip_deploy
    [deploy_model, skip_deploy] >> alert_success

    # All eight are upstream: each may fail, and a branch skips every direct downstream that it
    # doesn't reach. Success is a leaf of its own, so that a failed run ends as failed.
    work = [
        generate_synthetic_data,
        extract_events,
        compute_features,
        train_model,
        evaluate_model,
        deploy_model_check,
        deploy_model,
        skip_deploy,
    ]
    work >> alert_failure
    work >> alert_failure_email

    for task in work:
        task.executor_config = pods.executor_config(task.task_id)

    # Whom to ask, for the API and for people. Set after the tasks, which must not inherit it: on
    # a task `email` is deprecated, and would send a second mail beside alert_failure_email.
    dag.default_args["email"] = [CONTACTS.alert_email]
