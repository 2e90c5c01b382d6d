"""From the day's events to a recommender in production, every night at 02:00 UTC.

    generate_synthetic_data  →  Kafka
    extract_events           →  data lake (Delta)
    compute_features         →  feature store (DuckDB)
    train_model              →  MLflow           on TRAINING_DAY, forced, or without a model
    evaluate_model           →  metrics, gate
    deploy_model_check       →  deploy_model  or  skip_deploy

A run learns from events before midnight UTC at the start of its date and can be repeated: the
same date gives the same data. **Train now:** trigger with `{"force_train": true}`. **Take a model
back:** `movie-recommender rollback`. **Alerts** go to Slack (connection `slack_default`) and, on
failure, to `ALERT_EMAIL` (connection `smtp_default`); one that nobody takes waits in
`ALERT_OUTBOX`. A task or run over its SLA is alerted while it is still late. **Thresholds, SLAs,
switches:** Variables `movie_recommender.GATE_MIN_AUC` and the like (Admin, Variables). Trigger by
hand or un-pause; the first un-pause starts the last due run at once.
"""

import shlex
import sys
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import (
    DAG,
    Asset,
    AsyncCallback,
    CronTriggerTimetable,
    DeadlineAlert,
    Label,
    Param,
    TriggerRule,
)

from movie_recommender.contacts import alert_contacts
from movie_recommender.orchestration import pods, tasks
from movie_recommender.orchestration.configuration import prepare_subprocess
from movie_recommender.orchestration.deadline import FirstQueuedAt
from movie_recommender.orchestration.facts import MACROS
from movie_recommender.orchestration.failures import retry_delay
from movie_recommender.orchestration.operators import (
    EmailOperator,
    SlackWebhookOperator,
    alert_failure_by,
    further_channels,
)
from movie_recommender.orchestration.sla import run_sla_missed, slas
from movie_recommender.orchestration.task_docs import docs

CONTACTS = alert_contacts()
SLAS = slas()
DOCS = docs(SLAS.tasks)

LAKE = Asset("movie_recommender.lake")
FEATURE_STORE = Asset("movie_recommender.feature_store")
MODEL = Asset("movie_recommender.model")

DEFAULT_ARGS = {
    "owner": "ml-platform-team",
    "retries": 2,
    "retry_delay": retry_delay(),
    "execution_timeout": timedelta(hours=8),
}

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
        reference=FirstQueuedAt(),
        interval=SLAS.run,
        callback=AsyncCallback(run_sla_missed, kwargs={"sla_s": SLAS.run.total_seconds()}),
    ),
    user_defined_macros=MACROS,
    tags=["movie-recommender", "ml-platform-team"],
) as dag:
    generate_synthetic_data = BashOperator(
        task_id="generate_synthetic_data",
        bash_command=f"{shlex.quote(sys.executable)} -m movie_recommender.simulation daily "
        "--date {{ event_date(dag_run) }}",
        append_env=True,
        pre_execute=prepare_subprocess,
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
        inlets=[LAKE],
        outlets=[FEATURE_STORE],
        doc_md=DOCS["compute_features"],
    )
    train_model = PythonOperator(
        task_id="train_model",
        python_callable=tasks.train_model,
        inlets=[FEATURE_STORE],
        doc_md=DOCS["train_model"],
    )
    evaluate_model = PythonOperator(
        task_id="evaluate_model",
        python_callable=tasks.evaluate_model,
        inlets=[FEATURE_STORE],
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
        about="success",
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        slack_webhook_conn_id=CONTACTS.slack_conn_id,
        message="{{ alert('success', ti, dag_run).text }}",
        doc_md=DOCS["alert_success"],
    )
    alert_failure = SlackWebhookOperator(
        task_id="alert_failure",
        about="failure",
        trigger_rule=TriggerRule.ONE_FAILED,
        slack_webhook_conn_id=CONTACTS.slack_conn_id,
        message="{{ alert('failure', ti, dag_run).text }}",
        doc_md=DOCS["alert_failure"],
    )
    alert_failure_email = EmailOperator(
        task_id="alert_failure_email",
        about="failure",
        trigger_rule=TriggerRule.ONE_FAILED,
        conn_id=CONTACTS.smtp_conn_id,
        to=CONTACTS.alert_email,
        subject="{{ alert('failure', ti, dag_run).subject }}",
        html_content="{{ alert('failure', ti, dag_run).html }}",
        doc_md=DOCS["alert_failure_email"],
    )
    # One more for each channel that ALERT_CHANNELS names besides; none by default.
    alerts_failure_by_others = [
        PythonOperator(
            task_id=f"alert_failure_{channel}",
            trigger_rule=TriggerRule.ONE_FAILED,
            python_callable=alert_failure_by,
            op_kwargs={"channel": channel},
            doc_md=DOCS["alert_failure_by_others"],
        )
        for channel in further_channels(CONTACTS)
    ]

    generate_synthetic_data >> extract_events >> compute_features >> train_model >> evaluate_model
    evaluate_model >> deploy_model_check
    deploy_model_check >> Label("gate passed") >> deploy_model
    deploy_model_check >> Label("gate not passed") >> skip_deploy
    [deploy_model, skip_deploy] >> alert_success

    # All that isn't an alert is upstream: each may fail, and a branch skips every direct downstream
    # that it doesn't reach. Success is a leaf of its own, so that a failed run ends as failed.
    of_failure = [alert_failure, alert_failure_email, *alerts_failure_by_others]
    work = [task for task in dag.tasks if task not in {alert_success, *of_failure}]
    for alert in of_failure:
        work >> alert

    for task in work:
        task.executor_config = pods.executor_config(task.task_id)

    # Whom to ask, for the API and for people. Set after the tasks, which must not inherit it: on
    # a task `email` is deprecated, and would send a second mail beside alert_failure_email.
    dag.default_args["email"] = [CONTACTS.alert_email]
