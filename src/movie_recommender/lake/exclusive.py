"""Whether a bucket refuses to create what is already there: every Delta commit stands on it.

A store that takes the condition and ignores it lets one writer's commit replace another's, without
a word. So it is tried before a lake's table is created.
"""

import contextlib
import uuid
from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from movie_recommender.errors import StorageError
from movie_recommender.lake.storage import (
    CONNECT_S,
    PATIENCE_S,
    REQUEST_S,
    TRIES,
    plain_http_allowed,
    reason,
)


def require_exclusive_create(path: str) -> None:
    """Create an object twice under `path`, the second time on the condition that it isn't there.

    Raises:
        StorageError: the second went through, or the store refuses to be written at all.
    """
    try:
        store = from_url(
            path,
            client_options={
                "allow_http": plain_http_allowed(),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=REQUEST_S),
            },
            retry_config={
                "max_retries": TRIES - 1,
                "retry_timeout": timedelta(seconds=PATIENCE_S),
            },
        )
        refused = _refuses(store, f"_exclusive-create-{uuid.uuid4().hex}")
    except BaseError as error:
        message = (
            f"Can't write below DATA_LAKE_PATH={path!r}: {reason(error)}. Nothing was written. "
            "Create the bucket, grant access or correct the path, then run again."
        )
        raise StorageError(message) from None  # an answer may repeat the key's name
    if not refused:
        message = (
            f"The object store of DATA_LAKE_PATH={path!r} ignores conditional writes "
            "(If-None-Match): of two extractions at once one could overwrite the other's commit. "
            "Nothing was written. Use a store that keeps them, as Amazon S3, Google Cloud Storage, "
            "MinIO and Ceph do, or a directory."
        )
        raise StorageError(message)


def _refuses(store: obstore.store.ObjectStore, name: str) -> bool:
    obstore.put(store, name, b"first")
    try:
        obstore.put(store, name, b"second", mode="create")
    except AlreadyExistsError:
        return True
    finally:
        with contextlib.suppress(BaseError):  # an empty object more does no harm
            obstore.delete(store, name)
    return False
