"""A world whose truth is known, in a lake and a feature store: each user likes one genre."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from movie_recommender import events, training
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)
RUN_DATE = SUNDAY.date()
DAY = timedelta(days=1)
N_GROUPS, PER_GROUP, N_USERS = 20, 20, 300

Like = tuple[int, int, datetime]
"""User, movie, time."""


def likes(*, seed: int = 0, shuffled: bool = False) -> list[Like]:
    """Each user likes 17 of the 20 movies of one genre; the last three are new."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        group = user % N_GROUPS
        liked = group * PER_GROUP + rng.permutation(PER_GROUP)[:17]
        for position, movie in enumerate(liked):
            age = 1.0 + 0.1 * (17 - position) if position >= 14 else 10.0 + position
            rows.append((user, int(movie), SUNDAY - age * DAY))
    if shuffled:
        movies = rng.permutation([movie for _, movie, _ in rows])
        rows = [(user, int(movie), at) for (user, _, at), movie in zip(rows, movies, strict=True)]
    return rows


def genre_of(movie_id: int) -> int:
    """Number of the movie's genre."""
    return movie_id // PER_GROUP


def table(topic: str, rows: Sequence[dict[str, object]]) -> pa.Table:
    """Events as extraction lands them."""
    filled = [
        {
            "event_id": f"{topic}-{number}",
            "schema_version": 1,
            "kafka_topic": topic,
            "kafka_partition": 0,
            "kafka_offset": number,
            "ingestion_time": SUNDAY,
            "event_date": row["event_time"].date(),  # type: ignore[attr-defined]
            **row,
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=events.lake_schema(topic))


def fill(settings: Settings, rows: list[Like]) -> None:
    """Have the lake hold these likes, and who and what they are about."""
    start = SUNDAY - 40 * DAY
    lake = Lake(settings.data_lake_path)
    users = [
        {"event_type": "user", "event_time": start, "user_id": user, "age": 30, "country": "DE"}
        for user in range(N_USERS)
    ]
    movies = [
        {
            "event_type": "movie",
            "event_time": start,
            "movie_id": movie,
            "title": f"Movie {movie}",
            "genres": [f"Genre {genre_of(movie)}"],
        }
        for movie in range(N_GROUPS * PER_GROUP)
    ]
    interactions = [
        {"event_type": "like", "event_time": at, "user_id": user, "movie_id": movie}
        for user, movie, at in rows
    ]
    for topic, content in (("users", users), ("movies", movies), ("interactions", interactions)):
        lake.append(topic, table(topic, content), {f"{topic}-0": len(content)})


def publish(settings: Settings, published: Path) -> None:
    """Give lake and feature store the content of `published`, which the fixture `genres` made."""
    shutil.copytree(published / "lake", settings.data_lake_path)
    shutil.copytree(published / "features", settings.feature_store_path.parent)


def train(settings: Settings, *, seed: int, epochs: int) -> int:
    """Train a version, as if it were asked for by hand; its number."""
    chosen = settings.model_copy(update={"training_seed": seed, "training_epochs": epochs})
    return training.run(
        chosen, as_of=SUNDAY, run_date=RUN_DATE, force=True, request_id=str(seed)
    ).version


def write_truth(folder: Path) -> Path:
    """What is true of `likes`: a movie of the user's genre has affinity 1, any other 0."""
    folder.mkdir()
    genre = np.eye(N_GROUPS, dtype=np.float32)
    of_user = genre[np.arange(N_USERS) % N_GROUPS].tolist()
    of_movie = np.repeat(genre, PER_GROUP, axis=0).tolist()
    for name, vectors in (("user", of_user), ("movie", of_movie)):
        columns = {f"{name}_id": np.arange(len(vectors)), "vector": vectors}
        table = pa.table(columns).cast(
            pa.schema([(f"{name}_id", pa.int64()), ("vector", pa.list_(pa.float32()))])
        )
        pq.write_table(table, folder / f"{name}s.parquet")
    return folder
