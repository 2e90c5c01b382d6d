"""What Airflow should do about our errors: fail at once, or retry."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from airflow.sdk.exceptions import AirflowFailException

from movie_recommender.errors import MovieRecommenderError, StorageError
from movie_recommender.settings import usable_settings


def retry_delay() -> timedelta:
    """How long a failed task waits for its next try, read with the DAG file.

    A wrong value gives way to its default: the file must stay readable, and each task says what is
    wrong.
    """
    settings, _ = usable_settings()
    return timedelta(seconds=settings.retry_delay_s)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn our errors into what Airflow should do about them.

    Raises:
        AirflowFailException: a retry can't help (`retryable` is False); the task fails at once.
        StorageError: the disk is full; Airflow retries.
    """
    try:
        yield
    except MovieRecommenderError as error:
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        where = error.filename or "a temporary directory"
        message = (
            f"The disk is full: writing {where} failed ({error.strerror}). Nothing half-written "
            "was published. Free space; the task is retried, or clear it in Airflow."
        )
        raise StorageError(message) from error
