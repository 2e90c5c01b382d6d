"""Who may ask for what: a request's path says which scope it needs, its key who asks.

In: the settings, and of a request its path, its headers and where it comes from. Out: the caller,
or a `Problem`: 401 (nobody known), 403 (known, and not allowed), 429 (too often). Without
configured keys read and feedback are open and administration is closed.

What is kept of a key is its SHA-256, and it is found by that in a dictionary: nothing is compared
with a secret byte by byte, so that no answer's time tells how much of a guess was right. No key,
token or hash is in a log, an error or a metric.
"""

from movie_recommender.serving.access.callers import Caller
from movie_recommender.serving.access.door import Door
from movie_recommender.serving.access.rules import SCOPES, ScopeName, needed_scope

__all__ = ["SCOPES", "Caller", "Door", "ScopeName", "needed_scope"]
