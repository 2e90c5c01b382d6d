"""The data lake: Delta tables of events and dead letters, each commit carrying Kafka offsets.

`tables.py` says what there is, `store.py` reads and writes it, `changes.py` tells what is new,
`freshness.py` how new that is, `care.py` keeps its files in order, `integrity.py` finds out whether
they are all there.
"""

import movie_recommender.lake.allocator  # noqa: F401  (before delta-rs is loaded)
from movie_recommender.lake.care import LakeCare
from movie_recommender.lake.changes import LakeChanges
from movie_recommender.lake.freshness import Freshness, LakeFreshness
from movie_recommender.lake.integrity import LakeIntegrity
from movie_recommender.lake.order import in_order
from movie_recommender.lake.rows import scan
from movie_recommender.lake.store import Lake
from movie_recommender.lake.tables import (
    DEAD_LETTERS,
    TABLES,
    app_id,
    id_app,
    partition_column,
    table_schema,
)

__all__ = [
    "DEAD_LETTERS",
    "TABLES",
    "Freshness",
    "Lake",
    "LakeCare",
    "LakeChanges",
    "LakeFreshness",
    "LakeIntegrity",
    "app_id",
    "id_app",
    "in_order",
    "partition_column",
    "scan",
    "table_schema",
]
