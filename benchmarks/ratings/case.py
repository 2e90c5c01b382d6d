"""What one comparison is made on: what may be learned, and which pairs are judged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.evaluation import protocol
from movie_recommender.evaluation.run import SEED
from movie_recommender.events import INSTANT
from movie_recommender.ranking import Dataset
from movie_recommender.settings import Settings

WindowName = Literal["test", "validation"]


@dataclass(frozen=True)
class Case:
    """One data set, cut.

    Attributes:
        name: of the data set, for the claims.
        task: the pairs to judge.
        conditions: sizes and dates, for the claims.
    """

    name: str
    task: protocol.Task
    conditions: str

    @property
    def learned(self) -> Dataset:
        """What the model and its baselines learn from: all before the window."""
        return self.task.dataset

    @property
    def sizes(self) -> tuple[int, int]:
        """Users and movies."""
        return self.learned.users.num_rows, self.learned.movies.num_rows


@dataclass(frozen=True)
class Tables:
    """What the feature store hands out at `as_of`.

    Attributes:
        frame: user_id, movie_id, event_time, label.
        users: sorted by user_id, with what `Encoding` reads.
        movies: sorted by movie_id, with what `Encoding` reads.
        as_of: the instant before which everything lies.
    """

    frame: pa.Table
    users: pa.Table
    movies: pa.Table
    as_of: datetime


def time_split(name: str, tables: Tables, settings: Settings, window: WindowName) -> Case:
    """The newest window, or the one before it, cut as `train_model` and `evaluate_model` cut it.

    As there, a model that is judged on the test window learns from the validation window, too; on
    the validation window nothing of the test window is known.
    """
    chosen = _newest(tables.frame, tables.as_of, settings)
    if window == "validation":
        before = pc.less(tables.frame["event_time"], pa.scalar(chosen.start, INSTANT))
        chosen = _newest(tables.frame.filter(before), chosen.start, settings)
    users, movies = tables.users, tables.movies
    task = protocol.make_task(tables.frame, chosen, users=users, movies=movies, seed=SEED)
    conditions = (
        f"{window} window {chosen.start:%Y-%m-%d %H:%M} to {chosen.end:%Y-%m-%d %H:%M}; "
        f"{users.num_rows:,} users, {movies.num_rows:,} movies, "
        f"{task.dataset.positives.nnz:,} positives learned, {len(task.user):,} of "
        f"{len(task.users):,} users to rank"
    )
    return Case(name, task, conditions)


def _newest(frame: pa.Table, end: datetime, settings: Settings) -> protocol.Window:
    return protocol.newest_window(
        frame,
        end=end,
        days=settings.evaluation_window_days,
        min_users=settings.evaluation_min_users,
    )
