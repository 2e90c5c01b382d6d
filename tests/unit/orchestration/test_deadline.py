"""A run's deadline as Airflow keeps it, finds it missed, and hands it to the triggerer."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.orchestration.sinks import MailSink, SlackSink

pytestmark = pytest.mark.integration  # a real metadata database: slow

QUEUED = datetime(2025, 6, 1, 2, tzinfo=UTC)


@pytest.fixture
def run_id(dag: Any, airflow_db: None) -> Iterator[str]:
    """A run that goes on, queued once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dag, "deadline", None)  # dag.test() crashes with one: apache/airflow 73428
        made: str = dag.test(mark_success_pattern=".*").run_id
    change(made, state="running", queued_at=QUEUED)
    yield made
    change(made, state="success")


def change(run_id: str, **values: object) -> None:
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagRun).filter_by(run_id=run_id).values(**values))


def is_missed(dag: Any, run_id: str) -> str:
    """What the triggerer's call about the DAG's deadline came to."""
    from airflow.models import DagRun
    from airflow.models.deadline import Deadline
    from airflow.triggers.callback import CallbackTrigger
    from airflow.utils.session import create_session
    from sqlalchemy import select

    [alert] = dag.deadline
    with create_session() as session:
        run = session.scalars(select(DagRun).filter_by(run_id=run_id)).one()
        deadline = Deadline(QUEUED + alert.interval, alert.callback, run.id, None)
        session.add(deadline)
        session.flush()
        deadline.handle_miss(session)
        kwargs = deadline.callback.trigger.kwargs

    async def call() -> list[Any]:
        return [event async for event in CallbackTrigger(**kwargs).run()]

    return str(asyncio.run(call())[-1].payload["state"])


def test_a_late_run_is_alerted(dag: Any, run_id: str, slack: SlackSink, mail: MailSink) -> None:
    assert is_missed(dag, run_id) == "success"
    [text], [content] = slack.texts, mail.texts
    assert f"{dag.dag_id} is late: not finished 6 h" in text
    assert run_id in content


def test_one_that_was_queued_again_is_the_watchers(
    dag: Any, run_id: str, slack: SlackSink, mail: MailSink
) -> None:
    change(run_id, queued_at=QUEUED + timedelta(hours=1))
    assert is_missed(dag, run_id) == "success"
    assert slack.messages == mail.mails == []
