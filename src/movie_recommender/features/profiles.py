"""How the newest rows of a store are distributed: what a snapshot keeps of itself for `drift`."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import duckdb
import numpy as np
import numpy.typing as npt

GENRES = "genres"
"""Name of the one profile that isn't of a column: genres of the movies of positives."""
WINDOW = timedelta(days=7)
"""Rows so long before as_of are the newest ones: each day of the week once."""
GROWING = (
    "user_events",
    "user_days",
    "user_sessions",
    "user_positives",
    "user_ratings",
    "movie_impressions",
    "movie_contacts",
    "movie_positives",
    "movie_ratings",
)
"""Sums over all days so far: they grow every day, and a warning that is always there is none. They
are taken in multiples of their mean, so that growth of all alike is no drift."""
SAMPLE_ROWS = 50_000
"""At most about so many rows are looked at; by chance, a PSI is then about 0.0004."""

Floats = npt.NDArray[np.float64]

_DECILES = np.arange(1, 10) / 10
_ROWS = """
SELECT count(*) AS n
FROM store.training_frame
WHERE event_time >= $since AND event_time < $as_of
"""
# By a hash of the pair: the same rows each time, and no feature is favoured.
_COLUMNS = """
SELECT CAST(COLUMNS(
    * EXCLUDE (user_id, movie_id, event_time, weight, met_from, positive_from)
) AS DOUBLE)
FROM store.training_frame
WHERE event_time >= $since AND event_time < $as_of AND hash(user_id, movie_id) % $every = 0
"""
_GENRES = """
WITH liked AS (
    SELECT movie_id, count(*) AS n
    FROM store.training_frame
    WHERE label = 1 AND event_time >= $since AND event_time < $as_of
    GROUP BY movie_id
),

named AS (
    SELECT unnest(movies.genres) AS genre, liked.n
    FROM liked
    INNER JOIN store.movie_features AS movies ON movies.movie_id = liked.movie_id
)

SELECT genre, CAST(sum(n) AS BIGINT) AS n
FROM named
GROUP BY genre
ORDER BY genre
"""


@dataclass(frozen=True)
class FeatureProfile:
    """How a feature was distributed over `n_rows` rows. JSON-able.

    Attributes:
        feature: column of the training frame, or `GENRES`.
        edges: rising upper ends, inclusive, of all bins but the last; of `GENRES`: none.
        bins: what each bin holds, as text; the last one of a column holds its missing values.
        shares: of the rows in each bin (of genres: of the genres' mentions), sum 1; without rows 0.
        n_rows: rows looked at; of genres: mentions.
    """

    feature: str
    edges: tuple[float, ...]
    bins: tuple[str, ...]
    shares: tuple[float, ...]
    n_rows: int


@dataclass(frozen=True)
class Newest:
    """A store's rows of the seven days before an instant.

    Attributes:
        columns: values by column, all of one length, NaN for a missing one; those of `GROWING` in
            multiples of their mean.
        genres: by genre, how often movies of positives name it, in the order of their names.
    """

    columns: dict[str, Floats]
    genres: dict[str, int]


def read_newest(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> Newest:
    """The rows of the seven days before `as_of`: a sample of the columns, all positives' genres.

    Every column of the frame is read, the label too, but for ids, instants and the weight.

    Args:
        connection: with the tables `training_frame` and `movie_features` in its attached database
            `store`.
        as_of: instant of the snapshot.
    """
    window = {"since": as_of - WINDOW, "as_of": as_of}
    [(n_rows,)] = connection.sql(_ROWS, params=window).fetchall()
    every = max(1, math.ceil(n_rows / SAMPLE_ROWS))
    sample = connection.sql(_COLUMNS, params={**window, "every": every}).to_arrow_table()
    columns = {}
    for name in sample.column_names:
        values = sample[name].to_numpy()
        # A quality rule looks for what isn't finite; here it must not become an edge.
        values = np.where(np.isfinite(values), values, np.nan)
        columns[name] = _by_mean(values) if name in GROWING else values
    return Newest(columns, dict(connection.sql(_GENRES, params=window).fetchall()))


def profile(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> list[FeatureProfile]:
    """The profiles of `read_newest`, in column order, genres last; bins end at deciles."""
    newest = read_newest(connection, as_of)
    profiles = []
    for name, values in newest.columns.items():
        there = values[~np.isnan(values)]
        # The value of a row, not one in between: bins of counts end at counts.
        cuts = np.quantile(there, _DECILES, method="inverted_cdf") if len(there) else there
        edges = tuple(float(edge) for edge in np.unique(cuts))
        shares = column_shares(values, edges)
        bins = _bins(edges, " of the mean" if name in GROWING else "")
        profiles.append(FeatureProfile(name, edges, bins, shares, len(values)))
    names = tuple(newest.genres)
    shares = genre_shares(newest.genres, names)
    profiles.append(FeatureProfile(GENRES, (), names, shares, sum(newest.genres.values())))
    return profiles


def to_json(profiles: Iterable[FeatureProfile]) -> str:
    """One JSON array, for a registry's column."""
    return json.dumps([asdict(each) for each in profiles])


def from_json(text: str) -> list[FeatureProfile]:
    """The profiles that `to_json` wrote, equal to what they were."""
    return [
        FeatureProfile(
            feature=each["feature"],
            edges=tuple(each["edges"]),
            bins=tuple(each["bins"]),
            shares=tuple(each["shares"]),
            n_rows=each["n_rows"],
        )
        for each in json.loads(text)
    ]


def column_shares(values: Floats, edges: Sequence[float]) -> tuple[float, ...]:
    """Of `values`, the shares in each bin (edge before, edge], above the last edge, and NaN."""
    there = values[~np.isnan(values)]
    found = np.searchsorted(np.asarray(edges), there, side="left")
    counts = np.bincount(found, minlength=len(edges) + 1)
    return _shares(np.append(counts, len(values) - len(there)))


def genre_shares(genres: Mapping[str, int], names: Sequence[str]) -> tuple[float, ...]:
    """The shares of `names` in that order; 0 for one that isn't in `genres`."""
    return _shares(np.array([genres.get(name, 0) for name in names]))


def _shares(counts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(float(share) for share in counts / max(counts.sum(), 1))


def _by_mean(values: Floats) -> Floats:
    total = float(np.nansum(values))
    return values * (np.count_nonzero(~np.isnan(values)) / total) if total > 0 else values


def _bins(edges: Sequence[float], unit: str) -> tuple[str, ...]:
    if not edges:
        return ("any value", "no value")
    ends = [_number(edge) for edge in edges]
    between = (f"{low} to {high}{unit}" for low, high in pairwise(ends))
    return (f"up to {ends[0]}{unit}", *between, f"over {ends[-1]}{unit}", "no value")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
