import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from movie_recommender.contacts import alert_contacts
from movie_recommender.orchestration import DAG_ID
from movie_recommender.orchestration.delivery import Post
from movie_recommender.orchestration.sla import alert_about, slas
from movie_recommender.orchestration.watcher import Watcher

pytestmark = pytest.mark.integration  # a real metadata database: slow

STARTED = datetime(2025, 6, 1, 2, tzinfo=UTC)
AGAIN = STARTED + timedelta(minutes=40)
LATE = STARTED + timedelta(minutes=61)


class Row:
    """The task `extract_events` of a run in a real metadata database, and the run's row."""

    def __init__(self, run_id):
        self.run_id = run_id

    def set(self, **values):
        self._update("TaskInstance", values, task_id="extract_events")

    def set_run(self, **values):
        self._update("DagRun", values)

    def _update(self, model, values, **where):
        from airflow import models
        from airflow.utils.session import create_session
        from sqlalchemy import update

        query = update(getattr(models, model)).filter_by(run_id=self.run_id, **where)
        with create_session() as session:
            session.execute(query.values(**values))

    def change(self, by):
        """What Airflow does to a task instance: `by(task instance, session)`."""
        from airflow.models import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            query = select(TaskInstance).filter_by(run_id=self.run_id, task_id="extract_events")
            by(session.scalars(query).one(), session)

    def fails_and_waits_for_its_retry(self):
        def fail(ti, session):
            ti.state = "up_for_retry"
            ti.prepare_db_for_next_try(session)

        self.change(fail)

    def is_cleared(self):
        from airflow.models.taskinstance import clear_task_instances

        self.change(lambda ti, session: clear_task_instances([ti], session))


@pytest.fixture(scope="module")
def a_run(dag, airflow_db):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dag, "deadline", None)  # dag.test() crashes with one: apache/airflow 73428
        return dag.test(mark_success_pattern=".*").run_id


@pytest.fixture
def row(a_run):
    """Its first try runs since STARTED, in a run that has no past."""
    from airflow.models import Log
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(TaskInstanceHistory))
        session.execute(delete(Log))
    found = Row(a_run)
    found.set(state="running", start_date=STARTED, try_number=1, max_tries=2)
    found.set_run(state="running", start_date=STARTED, created_at=STARTED, queued_at=STARTED)
    yield found
    found.set(state="success")
    found.set_run(state="success")


@pytest.fixture
def sweep():
    """One sweep by a new triggerer, with the database as its only memory."""
    from movie_recommender.orchestration import airflow_state

    contacts = alert_contacts()
    return lambda now: Watcher(airflow_state, contacts, Post(contacts)).sweep(now)


def begun():
    from movie_recommender.orchestration import airflow_state

    return airflow_state.begun_tasks(DAG_ID)


def test_a_miss_is_found_and_recorded_once_in_airflows_own_tables(row, sweep, slack, mail):
    from airflow.models import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    [task] = begun()
    assert (task.key, task.try_number) == ((row.run_id, "extract_events"), 1)
    assert task.started == task.run_started == STARTED
    assert task.execution_date.tzinfo is not None
    assert [sweep(LATE), sweep(LATE)] == [1, 0]
    assert (len(slack.messages), len(mail.mails)) == (1, 1)
    assert row.run_id in slack.texts[0]
    with create_session() as session:
        [found] = session.scalars(select(Log).where(Log.event == "sla_miss")).all()
    assert (found.dag_id, found.run_id, found.task_id) == (DAG_ID, *task.key)
    assert "extract_events is late" in json.loads(found.extra)["alert"]


@pytest.mark.parametrize("state", ["up_for_retry", "scheduled", "queued"])
def test_while_it_waits_for_a_retry_the_first_try_counts(row, sweep, slack, state):
    row.fails_and_waits_for_its_retry()
    row.set(state=state)
    assert sweep(LATE) == 1
    assert "begun 1 h 1 min ago" in slack.texts[0]


def test_after_a_retry_the_first_try_counts_and_the_miss_is_not_told_twice(row, sweep, slack):
    row.fails_and_waits_for_its_retry()
    row.set(state="running", start_date=AGAIN, try_number=2)
    assert [task.started for task in begun()] == [STARTED]
    assert sweep(LATE) == 1
    row.fails_and_waits_for_its_retry()
    row.set(state="running", start_date=LATE, try_number=3)
    assert sweep(LATE + timedelta(hours=2)) == 0
    assert len(slack.messages) == 1


def test_cleared_it_begins_anew(row, sweep, slack):
    row.set(state="success")
    row.set_run(state="success")
    row.is_cleared()
    for state in (None, "scheduled", "queued"):
        row.set(state=state)
        assert begun() == []
    again = datetime.now(UTC)
    row.set(state="running", start_date=again, try_number=2)
    assert [task.started for task in begun()] == [again]


@pytest.mark.parametrize("state", ["success", "failed"])
def test_of_a_run_that_is_over_nothing_is_late(row, sweep, state):
    row.set_run(state=state)
    assert sweep(LATE) == 0


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed"])
def test_a_task_that_is_over_is_not_late(row, sweep, state):
    row.set(state=state)
    assert sweep(LATE) == 0


def test_a_run_whose_id_was_used_before_has_misses_of_its_own(row, sweep, slack):
    sweep(LATE)
    later = datetime.now(UTC) + timedelta(minutes=1)
    row.set_run(start_date=later)
    row.set(start_date=later)
    assert sweep(later + timedelta(minutes=61)) == 1
    assert len(slack.messages) == 2


def test_of_several_triggerers_at_once_one_has_the_claim(row):
    from movie_recommender.orchestration import airflow_state

    [task] = begun()
    alert, together = alert_about(task, slas(), LATE), threading.Barrier(4)

    def claim(_):
        together.wait()
        with airflow_state.claimed(task, alert) as ours:
            return ours

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claim, range(4))) == [False, False, False, True]


def test_a_claim_that_ends_badly_is_none(row):
    from movie_recommender.orchestration import airflow_state

    [task] = begun()

    def claim():
        with airflow_state.claimed(task, alert_about(task, slas(), LATE)):
            raise OSError(28, "disk full")

    with pytest.raises(OSError, match="full"):
        claim()
    assert airflow_state.recorded_misses([task]) == set()


def test_a_late_run_is_claimed_once_and_not_its_tasks(row):
    from movie_recommender.orchestration import airflow_state

    [run], [task] = airflow_state.open_runs(DAG_ID), begun()
    alert = alert_about(run, slas(), LATE)
    claims = []
    for _ in range(2):
        with airflow_state.claimed(run, alert) as ours:
            claims.append(ours)
    assert claims == [True, False]
    assert airflow_state.recorded_misses([run, task]) == {run.key}


def test_a_run_that_airflow_clears_is_late_once_from_then_on(row, sweep, slack):
    from movie_recommender.orchestration import airflow_state

    before, late = timedelta(hours=5, minutes=59), timedelta(hours=6, minutes=1)
    row.set(state="failed")
    assert sweep(STARTED + late) == 0  # the deadline's
    row.is_cleared()
    [run] = airflow_state.open_runs(DAG_ID)
    assert run.again
    assert abs(datetime.now(UTC) - run.run_started) < timedelta(minutes=1)
    assert [sweep(run.run_started + age) for age in (before, late, late)] == [0, 1, 0]
    row.is_cleared()
    [again] = airflow_state.open_runs(DAG_ID)
    assert sweep(again.run_started + late) == 1
    assert len(slack.messages) == 2
