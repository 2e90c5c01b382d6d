"""What a quality rule saw, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from movie_recommender.errors import InputDataError

Severity = Literal["fail", "warn"]
"""fail: the store isn't published, the task stops; warn: it is, and the run's alert says it."""


@dataclass(frozen=True)
class Finding:
    """What a rule saw. JSON-able.

    Attributes:
        rule: its name, for example `training_frame.unique` or `drift.hour`.
        severity: what follows when it is broken.
        passed: whether the rule holds.
        observed: the value, with a count and an example where rows break the rule.
        expected: what the value should be.
    """

    rule: str
    severity: Severity
    passed: bool
    observed: str
    expected: str

    @property
    def text(self) -> str:
        """One sentence, for logs and alerts."""
        verdict = "holds" if self.passed else "is broken"
        return f"{self.rule} {verdict}: {self.observed}; expected {self.expected}."


def broken(findings: Iterable[Finding], severity: Severity) -> list[Finding]:
    """The findings of that severity that don't hold."""
    return [f for f in findings if not f.passed and f.severity == severity]


def require(findings: Iterable[Finding]) -> None:
    """Return if no rule of severity `fail` is broken.

    Raises:
        InputDataError: names each such rule, with what was observed and expected.
    """
    failed = broken(findings, "fail")
    if not failed:
        return
    rules = "1 quality rule is" if len(failed) == 1 else f"{len(failed)} quality rules are"
    message = (
        f"The new feature store isn't published, {rules} broken; the published one stays in use as "
        f"it was. {' '.join(finding.text for finding in failed)} Look at the named rows' events in "
        "the lake and at the feature's SQL, correct what is wrong and run "
        "`movie-recommender features` again. If rows were taken out of the lake on purpose, move "
        "the file at FEATURE_STORE_PATH away first: the new one then begins a history of its own."
    )
    raise InputDataError(message)
