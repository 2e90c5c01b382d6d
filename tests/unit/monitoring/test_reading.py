import threading
import time

import pytest

from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring.reading import Part, Readers


def fail(error: Exception):  # type: ignore[no-untyped-def]
    def reader() -> None:
        raise error

    return reader


def test_each_part_is_told_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    readers = {
        "well": lambda: 7,
        "left out": lambda: None,
        "down": fail(NotReadyError("Nobody answers. Start it.")),
        "defect": fail(ZeroDivisionError("division by zero")),
    }
    parts = Readers(readers).read(patience_s=5)
    assert [(name, part.value, part.problem) for name, part in parts.items()] == [
        ("well", 7, None),
        ("left out", None, None),
        ("down", None, "Nobody answers. Start it."),
        ("defect", None, "ZeroDivisionError('division by zero')"),
    ]
    assert "monitoring: defect couldn't be read" in caplog.text


def test_one_that_hangs_holds_nobody_up_and_is_not_asked_twice() -> None:
    asked, go_on = [], threading.Event()

    def hang() -> str:
        asked.append("once")
        assert go_on.wait(30)
        return "at last"

    readers = Readers({"hangs": hang, "well": lambda: 7})
    for _ in range(2):
        began = time.monotonic()
        parts = readers.read(patience_s=0.2)
        assert time.monotonic() - began < 2
        assert parts["hangs"] == Part(None, "No answer within 0.2 s.", 0.2)
        assert parts["well"].value == 7
    assert asked == ["once"]
    go_on.set()
    readers._running["hangs"].join()
    assert readers.read(patience_s=5)["hangs"].value == "at last"
    assert asked == ["once", "once"]
