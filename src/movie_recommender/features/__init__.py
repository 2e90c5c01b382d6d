"""The feature store: point-in-time features from the lake, in one DuckDB file.

In come the lake's tables `users`, `movies` and `interactions`, each at one version, and the
instant `as_of`: only events before it count. Out goes a file, published at `FEATURE_STORE_PATH`:

- `training_frame`, one row per (user, movie) that met: label, time, and features of what had
  happened on earlier UTC days and had arrived by the row's own time;
- `user_features` and `movie_features`, one row per user and movie: all that the snapshot knows;
- the states that these are made of, to which the next build adds;
- and `snapshots`, the registry of all builds, carried over from file to file.

The walk: `run` decides whether there is anything to do, `inputs` tells what is new in the lake,
`publishing` gives a place beside the published file that no other builder has, `builder` runs the
SQL files of `sql/` there (one a feature group, in the order of `groups.ORDER`), `inspection` looks
at what came out, and the finished file takes the published name by one rename. `store` is the
reader.
`archive` builds an older snapshot again, `backfill` those of past days, `history` and `difference`
look after the registry, `catalogue` describes the groups.

What it promises:
- The same (as_of, lake, settings, SQL, code version) is the same snapshot: it is built once, and
  building it again elsewhere, at once or day by day, gives the same tables, bit for bit.
- A reader is never locked out and never sees half a build: an open store stays on the file that it
  opened. A build that is killed at any point leaves the published file as it was; what it leaves
  beside is removed by the next build.
"""

from movie_recommender.features.run import FeaturesResult, run
from movie_recommender.features.snapshots import Snapshot
from movie_recommender.features.store import FeatureStore

__all__ = ["FeatureStore", "FeaturesResult", "Snapshot", "run"]
