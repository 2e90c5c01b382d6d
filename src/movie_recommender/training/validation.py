"""What a training's constants and its start are chosen by, and never the test window."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.errors import InputDataError
from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.run import SEED, window_of
from movie_recommender.events import INSTANT
from movie_recommender.features import FeatureStore
from movie_recommender.settings import Settings

_BEGINNING = "0001-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Validation:
    """The newest window of what lies before the test window.

    Attributes:
        task: what came before it, to learn from, and the pairs in it, to be judged on.
        window: it.
        test: the window after it, which the evaluation judges on.
    """

    task: protocol.Task
    window: protocol.Window
    test: protocol.Window


def validation_of(
    settings: Settings, store: FeatureStore, frame: pa.Table, as_of: datetime
) -> Validation:
    """The same call gives the same pairs.

    Args:
        settings: the process's settings.
        store: users and movies, and the snapshot's name.
        frame: who met what when, see `evaluation.run.frame_of`.
        as_of: where the test window ends.

    Raises:
        InputDataError: there is no positive interaction to learn from.
    """
    test = window_of(settings, frame, as_of, not_before=_BEGINNING)
    earlier = frame.filter(pc.less(frame["event_time"], pa.scalar(test.start, INSTANT)))
    window = protocol.newest_window(
        earlier,
        end=test.start,
        days=settings.evaluation_window_days,
        min_users=settings.evaluation_min_users,
    )
    users, movies = store.get_user_features(), store.get_movie_features()
    task = protocol.make_task(frame, window, users=users, movies=movies, seed=SEED)
    if task.dataset.positives.nnz == 0:
        message = (
            f"Snapshot {store.snapshot.id} has no positive interaction before "
            f"{window.start.isoformat()}: nothing to learn from. Extract more events, or "
            "shorten EVALUATION_WINDOW_DAYS."
        )
        raise InputDataError(message)
    return Validation(task, window, test)
