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
