"""The table of checks, and how they are run: all at once, none waited for beyond the bound."""

from collections.abc import Mapping
from functools import partial

from movie_recommender.doctor import (
    alerts,
    channels,
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
from movie_recommender.monitoring.reading import Readers

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
    "slack": channels.check_slack,
    "mail": channels.check_mail,
    "other channels": channels.check_others,
    "outbox": alerts.check_outbox,
    "disk": disk.check,
    "clock": clock.check,
}


def examine(
    case: Case, checks: Mapping[str, Check] = CHECKS, *, bound_s: float = BOUND_S
) -> list[Finding]:
    """What the checks find, in their order; one that breaks or is late is a finding by itself."""
    readers = {name: partial(_findings, name, check, case) for name, check in checks.items()}
    parts = Readers(readers).read(patience_s=bound_s)
    return [
        finding
        for name, part in parts.items()
        for finding in ([_late(name, bound_s)] if part.value is None else part.value)
    ]


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
