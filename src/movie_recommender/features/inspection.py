"""A new store looked at before it is published: the quality rules, and drift against a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from movie_recommender.features import drift, quality, quality_page
from movie_recommender.features.findings import Finding, broken
from movie_recommender.features.snapshots import Snapshot


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        findings: one a rule.
        drifts: one a feature and one of the genres; none without a snapshot to compare with.
        profile: how the newest rows are distributed, for later comparisons (JSON).
        reference_id: the snapshot that was compared with.
    """

    findings: Sequence[Finding]
    drifts: Sequence[drift.Drift]
    profile: str
    reference_id: str | None = None

    @property
    def warnings(self) -> list[str]:
        """Of the rules that only warn, those that are broken: a sentence each."""
        return [finding.text for finding in broken(self.findings, "warn")]

    def measures(self) -> dict[str, float]:
        """Drift by feature: PSI, of `genres` the Jensen-Shannon distance (base 2)."""
        return {one.feature: round(one.value, 4) for one in self.drifts}

    def write_page(self, snapshot: Snapshot, path: Path) -> None:
        """Write the report as one HTML file.

        Raises:
            OSError: the disk refused.
        """
        text = quality_page.render(
            snapshot_id=snapshot.id,
            as_of=snapshot.as_of,
            findings=self.findings,
            drifts=self.drifts,
            reference_id=self.reference_id,
        )
        path.write_text(text, encoding="utf-8")


def inspect(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    *,
    base: Snapshot | None,
    history: Sequence[Snapshot],
    reference_id: str | None,
) -> Inspection:
    """Look at the finished tables in the attached database `store`.

    Args:
        connection: as `quality.check` wants it.
        snapshot: what was built.
        base: the snapshot that was added to; None: built whole.
        history: earlier builds, newest first.
        reference_id: of the snapshot to compare with, such as the one that the production model was
            trained on; one that isn't in `history` is as none.
    """
    findings = quality.check(connection, snapshot, base=base, history=history)
    drifts: Sequence[drift.Drift] = ()
    reference = next((s for s in history if s.id == reference_id and s.profile), None)
    if reference is not None:
        drifts = drift.compare(connection, snapshot.as_of, drift.from_json(reference.profile))
        findings = [*findings, *drift.drift_findings(drifts)]
    return Inspection(
        findings,
        drifts,
        drift.to_json(drift.profile(connection, snapshot.as_of)),
        None if reference is None else reference.id,
    )
