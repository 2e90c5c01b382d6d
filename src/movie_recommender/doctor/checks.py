"""The table of checks, and how they are run: all at once, none waited for beyond the bound."""

import queue
import threading
import time
from collections.abc import Mapping

from movie_recommender.doctor import (
    alerts,
    clock,
    configuration,
    disk,
    kafka,
    lake,
    mlflow,
    serving,
    store,
    versions,
)
from movie_recommender.doctor.finding import Case, Check, Finding, refused
from movie_recommender.errors import MovieRecommenderError

BOUND_S = 20.0
"""Longest time that all checks together may take."""

CHECKS: Mapping[str, Check] = {
    "settings": configuration.check,
    "versions": versions.check,
    "kafka": kafka.check,
    "mlflow": mlflow.check,
    "lake": lake.check,
    "feature store": store.check,
    "serving": serving.check,
    "slack": alerts.check_slack,
    "mail": alerts.check_mail,
    "disk": disk.check,
    "clock": clock.check,
}


def examine(
    case: Case, checks: Mapping[str, Check] = CHECKS, *, bound_s: float = BOUND_S
) -> list[Finding]:
    """What the checks find, in their order; one that breaks or is late is a finding by itself."""
    answers: queue.SimpleQueue[tuple[str, list[Finding]]] = queue.SimpleQueue()

    def answer(name: str, check: Check) -> None:
        answers.put((name, _findings(name, check, case)))

    for name, check in checks.items():
        # Daemons: a client that hangs mustn't keep the process from ending.
        threading.Thread(target=answer, args=(name, check), daemon=True).start()
    found: dict[str, list[Finding]] = {}
    deadline = time.monotonic() + bound_s
    while len(found) < len(checks) and (left := deadline - time.monotonic()) > 0:
        try:
            name, findings = answers.get(timeout=left)
        except queue.Empty:
            break
        found[name] = findings
    return [finding for name in checks for finding in found.get(name, [_late(name, bound_s)])]


def _findings(name: str, check: Check, case: Case) -> list[Finding]:
    try:
        return list(check(case))
    except MovieRecommenderError as error:
        return [refused(name, error)]
    except Exception as error:  # noqa: BLE001  (the other checks' answers are wanted all the same)
        text = f"the check itself broke: {type(error).__name__}: {error}"
        return [Finding(name, "fail", text, "Report it with this line.")]


def _late(name: str, bound_s: float) -> Finding:
    return Finding(
        name,
        "fail",
        f"no answer within {bound_s:g} s",
        "See that the server runs and that nothing between swallows what is sent to it.",
    )
