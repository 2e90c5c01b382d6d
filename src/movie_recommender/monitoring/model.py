"""The model registry: what is in production, what was before, and how the newest versions did."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from movie_recommender.serving.registry_api import PREVIOUS, PRODUCTION
from movie_recommender.serving.versions import Version, VersionsApi
from movie_recommender.settings import Settings

METRICS = ("auc", "ndcg_at_10", "hit_rate_at_10", "coverage_at_10")
"""Of an evaluation, those that are watched."""
NEWEST = 5
"""Versions that are told beside those in use: a bound for Prometheus."""
UNCONFIRMED = "unconfirmed"
"""As `registry.promotion` names the tag: importing that takes MLflow's client, and seconds."""


@dataclass(frozen=True)
class VersionFacts:
    """One version of the model.

    Attributes:
        version: its number.
        created: when it was registered.
        aliases: that point to it.
        snapshot_id: of the features that it learned from; None where its tags don't say.
        gate_passed: the newest verdict; None where it wasn't judged.
        metrics: of the newest evaluation, names of `METRICS`.
        unconfirmed: it was promoted and serving hasn't confirmed it.
    """

    version: int
    created: datetime
    aliases: tuple[str, ...]
    snapshot_id: str | None
    gate_passed: bool | None
    metrics: Mapping[str, float]
    unconfirmed: bool


@dataclass(frozen=True)
class ModelFacts:
    """The newest versions and those in use, the newest first."""

    versions: Sequence[VersionFacts]

    @property
    def production(self) -> VersionFacts | None:
        """What serves."""
        return self._by_alias(PRODUCTION)

    @property
    def previous(self) -> VersionFacts | None:
        """What a rollback would bring back."""
        return self._by_alias(PREVIOUS)

    def _by_alias(self, alias: str) -> VersionFacts | None:
        return next((one for one in self.versions if alias in one.aliases), None)


def read(settings: Settings) -> ModelFacts:
    """What MLflow says.

    Raises:
        NotReadyError: it doesn't answer.
    """
    with closing(VersionsApi(settings)) as registry:
        found = registry.versions()
    told = [one for place, one in enumerate(found) if place < NEWEST or one.aliases]
    return ModelFacts([_facts(version) for version in told])


def _facts(version: Version) -> VersionFacts:
    metrics = {name: version.metrics.get(f"eval_{name}") for name in METRICS}
    return VersionFacts(
        version=version.number,
        created=version.created,
        aliases=version.aliases,
        snapshot_id=version.tags.get("snapshot_id"),
        gate_passed=version.passed,
        metrics={name: value for name, value in metrics.items() if value is not None},
        unconfirmed=UNCONFIRMED in version.tags,
    )
