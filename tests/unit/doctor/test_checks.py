import threading
import time

from movie_recommender.doctor import CHECKS, Case, Finding, examine
from movie_recommender.errors import NotReadyError
from movie_recommender.orchestration.outside import Airflow


def statuses(findings: list[Finding]) -> dict[str, str]:
    return {finding.about: finding.status for finding in findings}


def test_checks_run_at_once_and_the_findings_keep_the_tables_order(case) -> None:
    together = threading.Barrier(2, timeout=5)

    def meet(_: Case) -> list[Finding]:
        together.wait()
        return [Finding("met", "ok", "another check at the same time")]

    def later(_: Case) -> list[Finding]:
        together.wait()
        time.sleep(0.05)
        return [Finding("later", "ok", "")]

    found = examine(case(), {"a": later, "b": meet})
    assert [finding.about for finding in found] == ["later", "met"]


def test_one_that_hangs_or_breaks_is_a_finding_and_holds_nobody_up(case) -> None:
    released = threading.Event()

    def hang(_: Case) -> list[Finding]:
        released.wait(10)
        return []

    def broken(_: Case) -> list[Finding]:
        raise ZeroDivisionError

    def refused(_: Case) -> list[Finding]:
        message = "No broker answers at a:9092 (refused). Start it, then run again."
        raise NotReadyError(message)

    checks = {"hangs": hang, "breaks": broken, "refuses": refused}
    began = time.monotonic()
    hangs, breaks, refuses = examine(case(), checks, bound_s=0.3)
    assert time.monotonic() - began < 2
    assert (hangs.status, hangs.seen) == ("fail", "no answer within 0.3 s")
    assert (breaks.status, "ZeroDivisionError" in breaks.seen) == ("fail", True)
    assert refuses.seen == "No broker answers at a:9092 (refused)"
    assert refuses.remedy == "Start it, then run again."
    released.set()


def test_every_check_answers_when_nothing_is_there(case) -> None:
    nothing = case(serving_url="http://127.0.0.1:9")
    found = examine(Case(nothing.settings, nothing.clock, airflow=Airflow(missing="not here")))
    assert set(CHECKS) <= {finding.about for finding in found}
    status = statuses(found)
    for down in ("kafka", "mlflow", "serving"):
        assert status[down] == "fail"
    for unknown in ("slack", "mail", "clock", "lake tables", "feature store", "airflow"):
        assert status[unknown] == "warn"
    for well in ("settings", "versions", "lake"):
        assert status[well] == "ok"
    assert all(finding.remedy for finding in found if finding.status != "ok")


def test_wrong_settings_are_told_and_the_other_checks_go_on(case) -> None:
    whole = case()
    wrong = "GATE_MIN_AUC='2': too much\nCorrect the environment variable and run again."
    problems = ["Airflow Variable movie_recommender.X: there is no such setting"]
    [settings, airflow] = CHECKS["settings"](
        Case(whole.settings, whole.clock, wrong, Airflow(problems=problems))
    )
    assert (settings.status, settings.seen) == ("fail", "GATE_MIN_AUC='2': too much")
    assert (airflow.status, airflow.seen) == ("fail", problems[0])
