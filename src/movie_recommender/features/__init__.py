"""The feature store: point-in-time features from the lake, in one DuckDB file.

In come the lake's tables `users`, `movies` and `interactions`, each at one version, and the
instant `as_of`: only events before it count. Out goes a file with three tables, published at
`FEATURE_STORE_PATH`:

- `training_frame`, one row per (user, movie) that met: label, time, and features that are computed
  from events of the UTC days strictly before the row's own day, never from its future;
- `user_features` and `movie_features`, one row per user and movie: their state at `as_of`;
- and `snapshots`, the registry of all builds, carried over from file to file.

The walk: `run` decides whether there is anything to do, `publishing` gives it a place beside the
published file that no other builder has, `builder` runs the SQL files of `sql/` there (one a
feature group, in the order of `groups.ORDER`), the finished file takes the published name by one
rename. `store` is the reader.

What it promises:
- The same (as_of, lake versions, SQL, code version) is the same snapshot: it is built once, and
  building it again elsewhere gives the same tables, bit for bit.
- A reader is never locked out and never sees half a build: an open store stays on the file that it
  opened. A build that is killed at any point leaves the published file as it was; what it leaves
  beside is removed by the next build.
"""

from movie_recommender.features.run import FeaturesResult, run
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore

__all__ = ["FeatureStore", "FeaturesResult", "Snapshot", "run"]
