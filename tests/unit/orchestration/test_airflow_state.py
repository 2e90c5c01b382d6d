import json
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.orchestration import DAG_ID
from movie_recommender.orchestration.watcher import Watcher

pytestmark = pytest.mark.integration  # a real metadata database: slow

STARTED = datetime(2025, 6, 1, 2, tzinfo=UTC)
LATE = STARTED + timedelta(minutes=61)


@pytest.fixture
def run_id(dag, airflow_db, monkeypatch):
    """A run in a real metadata database whose `extract_events`, second try, runs since STARTED."""
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    monkeypatch.setattr(dag, "deadline", None)  # dag.test() crashes with one: apache/airflow 73428
    run_id = dag.test(mark_success_pattern=".*").run_id
    with create_session() as session:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.run_id == run_id, TaskInstance.task_id == "extract_events")
            .values(state="running", start_date=STARTED, try_number=2)
        )
    return run_id


def test_a_miss_is_found_and_recorded_once_in_airflows_own_tables(run_id):
    from airflow.models import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from movie_recommender.orchestration import airflow_state

    [task] = airflow_state.running_tasks(DAG_ID)
    assert (task.run_id, task.task_id, task.try_number) == (run_id, "extract_events", 2)
    assert task.started == STARTED
    assert task.execution_date.tzinfo is not None

    sent = []
    for _ in range(2):  # the second with the audit log as its only memory
        Watcher(airflow_state, {"slack": sent.append}).sweep(LATE)
    assert len(sent) == 1
    assert run_id in sent[0].text
    with create_session() as session:
        [row] = session.scalars(select(Log).where(Log.event == "sla_miss")).all()
    assert (row.dag_id, row.run_id, row.task_id, row.try_number) == (DAG_ID, *task.key)
    assert "extract_events is late" in json.loads(row.extra)["alert"]
