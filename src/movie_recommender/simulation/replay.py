"""The order of things of a MovieLens replay: its ratings as events that end on a chosen day."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.events import INSTANT, SCHEMA_VERSION
from movie_recommender.settings import Settings
from movie_recommender.simulation import movielens, progress
from movie_recommender.simulation.generate import OnStep, Sent, Step, send_table, sink_for
from movie_recommender.simulation.ids import event_ids
from movie_recommender.simulation.movielens import MovieLens

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 100_000


def replay(settings: Settings, path: Path, day: date, *, on_step: OnStep) -> Sent:
    """Send the data set in the folder `path`, moved by whole days so that it ends on `day`.

    The day is stored before the first event is sent, and a repeated replay of the same files uses
    the stored one: a replay that was killed goes on with the same ids and times, and one that is
    complete sends nothing.

    Raises:
        InputDataError: the data set isn't as it should be; nothing was sent.
        NotReadyError: the broker is away, or didn't confirm a message.
    """
    data = movielens.load(path)
    scope = {"source": "movielens", "digest": data.digest}
    record = progress.last_record(settings, scope)
    if record is not None and record["complete"]:
        logger.info("replay=nothing_to_send reason=complete anchor=%s", record["anchor"])
        return Sent({}, None, None)
    sink = sink_for(settings)
    if record is None:
        record = {**scope, "anchor": str(day), "complete": False}
        progress.write_record(sink, record)
    anchor = date.fromisoformat(record["anchor"])
    sent: dict[str, int] = {}
    tables = list(_parts(data, anchor))
    for number, (topic, table) in enumerate(tables, start=1):
        count = send_table(sink, topic, table)
        sent[topic] = sent.get(topic, 0) + count
        on_step(Step(topic, count, number, len(tables)))
    progress.write_record(sink, {**record, "complete": True})
    times = shifted_times(data, anchor)
    return Sent(sent, str(times[0].as_py().date()), str(anchor))


def shifted_times(data: MovieLens, day: date) -> pa.ChunkedArray:
    """(N,) instants of the ratings, moved by whole days so that the last one lies in `day`."""
    last = datetime.fromtimestamp(data.ratings["time"][-1].as_py(), UTC).date()
    shift = (day - last) // timedelta(days=1) * 86_400
    return pc.multiply(pc.add(data.ratings["time"], shift), 1_000_000).cast(INSTANT)


def rating_events(data: MovieLens, day: date) -> pa.Table:
    """The ratings as `rating` events in the order of time, the last one in `day`."""
    columns = {
        "user_id": data.ratings["user_id"],
        "movie_id": data.ratings["movie_id"],
        "rating": data.ratings["rating"],
    }
    times = shifted_times(data, day)
    return _events(data, "interactions", "rating", times, columns)


def user_events(data: MovieLens, day: date) -> pa.Table:
    """An upsert of each user at their first rating, with gender and occupation where known."""
    return _upserts(data, "users", "user", data.users, day)


def movie_events(data: MovieLens, day: date) -> pa.Table:
    """An upsert of each movie at its first rating."""
    return _upserts(data, "movies", "movie", data.movies, day)


def _parts(data: MovieLens, day: date) -> Iterator[tuple[str, pa.Table]]:
    yield "users", user_events(data, day)
    yield "movies", movie_events(data, day)
    ratings = rating_events(data, day)
    for start in range(0, ratings.num_rows, _ROWS_AT_ONCE):
        yield "interactions", ratings.slice(start, _ROWS_AT_ONCE)


def _upserts(
    data: MovieLens, topic: str, event_type: str, attributes: pa.Table, day: date
) -> pa.Table:
    """Who has no rating gets the time of the very first."""
    key = f"{event_type}_id"
    times = shifted_times(data, day)
    # The ratings are in the order of time, so the first place of an id is its first rating.
    position = pc.index_in(attributes[key], value_set=data.ratings[key].combine_chunks())
    first = times.take(pc.fill_null(position, 0))
    columns = {name: attributes[name] for name in attributes.column_names}
    return _events(data, topic, event_type, first, columns)


def _events(
    data: MovieLens,
    topic: str,
    event_type: str,
    times: pa.ChunkedArray,
    columns: dict[str, pa.ChunkedArray],
) -> pa.Table:
    n = len(times)
    return pa.table(
        {
            "event_id": event_ids(n, "movielens", data.digest, topic),
            "event_type": pa.array([event_type] * n, pa.string()),
            "event_time": times,
            "schema_version": pa.array(np.full(n, SCHEMA_VERSION), pa.int32()),
            **columns,
        }
    )
