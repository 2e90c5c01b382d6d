"""Rows of the published store as plain values, for whoever looks at one user or movie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from movie_recommender.errors import InputDataError
from movie_recommender.features.store import FeatureStore
from movie_recommender.settings import Settings


@dataclass(frozen=True)
class Found:
    """Rows of `user_features` and `movie_features`, by id ascending. JSON-able.

    Instants and days are ISO 8601; `taste` is an object of weights by genre.
    """

    snapshot_id: str
    as_of: str
    users: list[dict[str, Any]]
    movies: list[dict[str, Any]]


def show(settings: Settings, *, users: Sequence[int] = (), movies: Sequence[int] = ()) -> Found:
    """What the published snapshot knows about these users and movies.

    Args:
        settings: the store's path.
        users: ids, any number of times.
        movies: likewise.

    Raises:
        NotReadyError: there is no published file.
        InputDataError: an id isn't in the store, names each; or the file is damaged.
        StorageError: the disk refused to read it.
    """
    path = settings.feature_store_path
    with FeatureStore.open(path) as store:
        of_users = store.get_user_features(_possible(users)) if users else None
        of_movies = store.get_movie_features(_possible(movies)) if movies else None
        snapshot = store.snapshot
    as_of = snapshot.as_of.isoformat()
    found = Found(snapshot.id, as_of, _rows(of_users), _rows(of_movies))
    unknown = [
        *_unknown("user", users, found.users),
        *_unknown("movie", movies, found.movies),
    ]
    if unknown:
        message = (
            f"Not in the feature store {path}: {', '.join(unknown)}; snapshot {snapshot.id} knows "
            f"those with an upsert or an interaction before {as_of}. Correct the id; for what came "
            "later, run `movie-recommender extract`, then `movie-recommender features`."
        )
        raise InputDataError(message)
    return found


def _possible(ids: Sequence[int]) -> list[int]:
    """Those that are ids at all: 64-bit integers."""
    return [one for one in ids if -(2**63) <= one < 2**63]


def _unknown(what: str, ids: Sequence[int], found: Iterable[dict[str, Any]]) -> list[str]:
    known = {row[f"{what}_id"] for row in found}
    return [f"{what} {one}" for one in dict.fromkeys(ids) if one not in known]


def _rows(table: pa.Table | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    maps = {field.name for field in table.schema if pa.types.is_map(field.type)}
    return [
        {
            name: dict(value) if name in maps and value is not None else _plain(value)
            for name, value in row.items()
        }
        for row in table.to_pylist()
    ]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
