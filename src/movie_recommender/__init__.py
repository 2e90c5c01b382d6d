"""movie-recommender: the daily, self-retraining movie recommender.

Walk in with one event and meet the rooms in its order: `events` -> `lake` -> `extract` ->
`features` -> `registry` -> `training` -> `evaluation`. The doors (`cli`, `orchestration`,
`local`) call the rooms and hold no logic of their own.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("movie-recommender")
except PackageNotFoundError:  # the source tree on sys.path, not installed
    __version__ = "0+unknown"
