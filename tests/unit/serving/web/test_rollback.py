"""How the page runs an operator's command, whatever becomes of it."""

import asyncio
import sys
import time

import pytest

from movie_recommender.serving.problems import Problem
from movie_recommender.serving.web import rollback
from movie_recommender.settings import load_settings


def run(code: str, *, timeout_s: float = 30.0) -> None:
    settings = load_settings(serving_timeout_s=timeout_s)
    asyncio.run(rollback.roll_back(settings, (sys.executable, "-c", code)))


def test_it_went_well() -> None:
    run("print('{}')")


def test_its_own_error_is_told() -> None:
    code = "import sys; sys.exit('2026 INFO x\\nerror: no earlier version. Choose one.')"
    with pytest.raises(Problem, match="happen: no earlier version") as raised:
        run(code)
    assert raised.value.status == 409


def test_a_stack_trace_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Problem, match="the server's log says why"):
        run("raise ValueError('within')")
    assert "within" in caplog.text


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "SPARE_S", 0.0)
    began = time.perf_counter()
    with pytest.raises(Problem, match="took more than 0 seconds"):
        run("import time; time.sleep(60)", timeout_s=0.3)
    assert time.perf_counter() - began < 20
