"""The model registry: bundles, versions, and which of them is in production.

In: a directory made by training. Out: a model version in MLflow whose files are checked by
checksum before anything is loaded. Aliases say which version serves: `production`, and `previous`
for the way back. Every call ends in the same state when it is repeated after a kill.
"""

from movie_recommender.bundle import Manifest, read_manifest, write_manifest
from movie_recommender.registry.client import ModelVersion, Registry
from movie_recommender.registry.promotion import (
    PromoteResult,
    promote,
    rollback,
    snapshot_in_production,
)
from movie_recommender.registry.shadow import set_shadow

__all__ = [
    "Manifest",
    "ModelVersion",
    "PromoteResult",
    "Registry",
    "promote",
    "read_manifest",
    "rollback",
    "set_shadow",
    "snapshot_in_production",
    "write_manifest",
]
