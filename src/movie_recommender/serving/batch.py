"""Lists for everybody, written to a file: for mails, caches, and whoever runs no server.

The ranking is the server's own, of the production model over what the published feature store
knows. What was posted since isn't in it, as it has no model and no store of its own to be part of.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from movie_recommender.errors import InputDataError, RegistryError
from movie_recommender.features.store import FeatureStore
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.serving.export import export_contacts
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import MAX_K, Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.registry_api import RegistryApi
from movie_recommender.serving.seen import known_from
from movie_recommender.settings import Settings

USERS_AT_ONCE = 5_000
"""Users of a row group: what is held in memory, some 60 MB with lists of 1,000."""

_LISTS = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("movie_ids", pa.list_(pa.int64()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
        pa.field("reason", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    ]
)


@dataclass(frozen=True)
class BatchResult:
    """What was written, and what it was made from."""

    path: str
    users: int
    k: int
    model_version: int
    snapshot_id: str


def recommend_all(settings: Settings, path: Path, *, k: int) -> BatchResult:
    """Write the production model's list for every user of the feature store to `path`.

    A second call replaces the file at once; a kill leaves the one before, and none half written.

    Args:
        settings: where MLflow and the feature store are.
        path: of the Parquet file; its directory must be there.
        k: movies of a list, 1 to `MAX_K`.

    Raises:
        InputDataError: k is out of range, or the store is damaged.
        NotReadyError: there is no store yet, or MLflow doesn't answer.
        RegistryError: nothing is in production, or its bundle is damaged.
    """
    if not 1 <= k <= MAX_K:
        message = f"k={k}: a list has 1 to {MAX_K} movies."
        raise InputDataError(message)
    with tempfile.TemporaryDirectory() as tmp:
        bundle, contacts = Path(tmp, "bundle"), Path(tmp, "contacts.safetensors")
        version = _fetch_production(settings, bundle)
        with FeatureStore.open(settings.feature_store_path) as store:
            export_contacts(store, contacts)
        model = ServedModel(bundle, version=version)
        return write_lists(model, Contacts.open(contacts), path, k=k)


def _fetch_production(settings: Settings, bundle: Path) -> int:
    """The version in production, its checked files in the new folder `bundle`."""
    with closing(RegistryApi(settings)) as registry:
        production = registry.production()
        if production is None:
            message = (
                f"Model {registry.name!r} at {registry.url} has no version in production. "
                "Put one there: movie-recommender promote VERSION"
            )
            raise RegistryError(message)
        registry.download(production, bundle)
    return production.version


def write_lists(model: ServedModel, contacts: Contacts, path: Path, *, k: int) -> BatchResult:
    """Write the model's lists for every user of `contacts` to `path`, by user id.

    Args:
        model: ranks.
        contacts: who they are and what they met.
        path: is replaced at once.
        k: movies of a list.
    """
    about = {
        "model_name": model.manifest.model_name,
        "model_version": str(model.version),
        "snapshot_id": contacts.snapshot_id,
        "as_of": contacts.as_of,
        "k": str(k),
    }
    temporary = path.with_name(f".{path.name}.new")
    try:
        with pq.ParquetWriter(temporary, _LISTS.with_metadata(about)) as writer:
            for part in _parts(len(contacts.user_ids)):
                writer.write_table(_lists(model, contacts, contacts.user_ids[part], Query(k=k)))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return BatchResult(str(path), len(contacts.user_ids), k, model.version, contacts.snapshot_id)


def _parts(n: int) -> Iterator[slice]:
    return (slice(begin, begin + USERS_AT_ONCE) for begin in range(0, n, USERS_AT_ONCE))


def _lists(model: ServedModel, contacts: Contacts, user_ids: np.ndarray, query: Query) -> pa.Table:
    rankings = [
        rank(model, user_id, known_from(contacts, user_id), query) for user_id in user_ids.tolist()
    ]
    ends = np.cumsum([0, *(len(ranking.rows) for ranking in rankings)]).astype(np.int32)
    movies = model.catalogue.movie_ids[np.concatenate([ranking.rows for ranking in rankings])]
    scores = np.concatenate([ranking.scores for ranking in rankings])
    reasons = pa.array([ranking.reason for ranking in rankings]).dictionary_encode()
    columns = [
        pa.array(user_ids),
        pa.ListArray.from_arrays(pa.array(ends), pa.array(movies)),
        pa.ListArray.from_arrays(pa.array(ends), pa.array(scores)),
        reasons,
    ]
    return pa.table(columns, schema=_LISTS)
