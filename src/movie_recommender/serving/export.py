"""From the published feature store to the contacts that workers look up."""

from pathlib import Path

import numpy as np

from movie_recommender.features.store import FeatureStore
from movie_recommender.ranking.contacts import Contacts
from movie_recommender.ranking.dataset import rows_of

_COLUMNS = ("user_id", "movie_id", "label")


def export_contacts(store: FeatureStore, path: Path) -> None:
    """Write the store's contacts as a file of `Contacts`; memory follows their number.

    Args:
        store: the published one, open.
        path: is replaced at once.

    Raises:
        InputDataError: the store is damaged.
    """
    users = store.get_user_features()
    user_ids = users["user_id"].to_numpy()
    movie_ids = store.get_movie_features()["movie_id"].to_numpy()
    user, movie, liked = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.uint8)]
    for batch in store.read_training_frame(columns=_COLUMNS):  # in the order of their times
        ids, rated, label = (column.to_numpy() for column in batch.columns)
        user.append(rows_of(ids, user_ids)[0])
        movie.append(rows_of(rated, movie_ids)[0].astype(np.int32))
        liked.append((label == 1).astype(np.uint8))
    contacts = Contacts.build(
        users,
        movie_ids,
        user=np.concatenate(user),
        movie=np.concatenate(movie),
        liked=np.concatenate(liked),
        snapshot_id=store.snapshot.id,
        as_of=store.snapshot.as_of.isoformat(),
    )
    temporary = path.with_suffix(".new")
    contacts.save(temporary)
    temporary.replace(path)
