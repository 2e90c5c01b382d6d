import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from movie_recommender.local import follow


def task(task_id: str, state: str | None, *, try_number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "state": state,
        "try_number": try_number,
        "start_date": None,
        "end_date": None,
        **fields,
    }


def test_tasks_come_in_the_pipelines_order() -> None:
    tasks = [task("alert_success", None), task("something_new", None), task("extract_events", None)]
    ordered = [t["task_id"] for t in follow.in_order(tasks)]
    assert ordered == ["extract_events", "alert_success", "something_new"]


def test_every_change_is_told_once() -> None:
    seen: dict[str, tuple[str | None, int]] = {}

    def told(*tasks: dict[str, Any]) -> list[str]:
        return [f"{t['task_id']} {t['state']}" for t in follow.changed(list(tasks), seen)]

    assert told(task("extract_events", None)) == []
    assert told(task("extract_events", "running")) == ["extract_events running"]
    assert told(task("extract_events", "running")) == []
    assert told(task("extract_events", "up_for_retry")) == ["extract_events up_for_retry"]
    assert told(task("extract_events", "running", try_number=2)) == ["extract_events running"]


def test_seconds_of_a_task() -> None:
    ended = task(
        "extract_events",
        "success",
        start_date="2026-11-23T02:00:00Z",
        end_date="2026-11-23T02:00:12.500000Z",
    )
    assert follow.seconds_of(ended) == 12.5
    assert follow.seconds_of(task("extract_events", None)) is None


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_only_runs_older_than_this_airflow_are_left_over() -> None:
    old = {"dag_run_id": "old", "queued_at": "2026-11-23T11:59:59.5Z"}
    new = {"dag_run_id": "new", "queued_at": "2026-11-23T12:00:07Z"}
    assert follow.left_over([old, new], NOON) == [old]
    assert follow.left_over([old, new], None) == []


def test_a_run_is_due_from_its_time_on() -> None:
    assert follow.is_due({"next_dagrun_run_after": "2026-11-23T02:00:00Z"}, now=NOON)
    assert not follow.is_due({"next_dagrun_run_after": "2026-11-24T02:00:00Z"}, now=NOON)
    assert not follow.is_due({"next_dagrun_run_after": None}, now=NOON)


def test_the_retry_is_told_by_its_time() -> None:
    failed = task("extract_events", "up_for_retry", end_date="2026-11-23T12:00:00Z")
    assert follow._retry_time(failed, timedelta(seconds=90)) == "12:01:30 UTC"


def test_what_is_known_of_the_dag_is_so() -> None:
    dag = Path(__file__).parents[3] / "dags" / f"{follow.DAG_ID}.py"
    text = dag.read_text()
    assert tuple(re.findall(r'task_id="(\w+)"', text)) == follow.TASKS
