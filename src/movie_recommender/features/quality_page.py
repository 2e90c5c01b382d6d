"""The quality gates and the drift of one build as an HTML page, complete in itself."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from movie_recommender.features.drift import SOME, STRONG, Drift, limit_of
from movie_recommender.features.findings import Finding, broken
from movie_recommender.features.profiles import GENRES, WINDOW
from movie_recommender.pages import template


def render(
    *,
    snapshot_id: str,
    as_of: datetime,
    findings: Sequence[Finding],
    drifts: Sequence[Drift],
    reference_id: str | None = None,
) -> str:
    """The page: broken rules first, then drift with a plot a feature, the farthest first.

    It needs no other file, script or network; every value in it is escaped. The same arguments give
    the same page.

    Args:
        snapshot_id: of the build.
        as_of: its instant, with a time zone.
        findings: of all rules, those about drift too.
        drifts: of all features; none when there is no reference.
        reference_id: snapshot that the drift is measured from; None: there is none.
    """
    failed, warned = broken(findings, "fail"), broken(findings, "warn")
    return template(__package__, "quality_page.html").render(
        snapshot_id=snapshot_id,
        as_of=as_of.astimezone(UTC).isoformat(timespec="seconds"),
        reference_id=reference_id,
        verdict=_verdict(len(failed), len(warned)),
        state="fail" if failed else "warn" if warned else "ok",
        broken=[*failed, *warned],
        kept=[finding for finding in findings if finding.passed],
        columns=_farthest_first(drift for drift in drifts if drift.feature != GENRES),
        genres=[drift for drift in drifts if drift.feature == GENRES],
        window_days=WINDOW.days,
        limits={
            measure: [f"{limit_of(measure, psi):.3g}" for psi in (SOME, STRONG)]
            for measure in ("PSI", "Jensen-Shannon distance")
        },
    )


def _verdict(n_failed: int, n_warned: int) -> str:
    warnings = f"{n_warned} warning{'' if n_warned == 1 else 's'}"
    if n_failed:
        rules = f"{n_failed} rule{' is' if n_failed == 1 else 's are'} broken"
        return f"Not fit to be published: {rules}, {warnings}."
    return f"Fit to be published, with {warnings}." if n_warned else "Fit to be published."


def _farthest_first(drifts: Iterable[Drift]) -> list[Drift]:
    return sorted(drifts, key=lambda drift: (drift.level == "unknown", -drift.value))
