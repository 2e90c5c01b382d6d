"""Small worlds whose right answer is known, as the feature store would hand them out."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

END = datetime(2026, 11, 22, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")


def users_table(n: int) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array(np.arange(n) * 10 + 1, pa.int64()),
            "age": pa.array([20 + i % 40 if i % 5 else None for i in range(n)], pa.int32()),
            "country": pa.array(["DE" if i % 3 else None for i in range(n)], pa.string()),
            "device": pa.array(["tv", "phone"] * (n // 2) + ["tv"] * (n % 2), pa.string()),
        }
    )


def movies_table(n: int) -> pa.Table:
    return pa.table(
        {
            "movie_id": pa.array(np.arange(n) * 7 + 3, pa.int64()),
            "title": pa.array([f"Movie {i}" for i in range(n)], pa.string()),
            "genres": pa.array(
                [["Even"] if i % 2 == 0 else ["Odd", "Comedy"] for i in range(n)],
                pa.list_(pa.string()),
            ),
            "year": pa.array([1990 + i % 30 if i % 7 else None for i in range(n)], pa.int32()),
            "language": pa.array(["en"] * n, pa.string()),
        }
    )


def frame_table(rows: list[tuple[int, int, float, int]]) -> pa.Table:
    """Rows of (user row, movie row, days before END, label)."""
    user, movie, age, label = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "user_id": pa.array([u * 10 + 1 for u in user], pa.int64()),
            "movie_id": pa.array([m * 7 + 3 for m in movie], pa.int64()),
            "event_time": pa.array([END - timedelta(days=a) for a in age], INSTANT),
            "label": pa.array(label, pa.int8()),
        }
    ).sort_by("event_time")


def checkerboard(
    n_users: int = 60, n_movies: int = 40, *, n_liked: int = 16, n_unliked: int = 0
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Even users like even movies, odd users odd ones; the last three likes are new (frame, …).

    The first `n_unliked` movies of the other side each user met, too.
    """
    rng = np.random.default_rng(5)
    rows = []
    for user in range(n_users):
        side = rng.permutation(np.arange(user % 2, n_movies, 2))[:n_liked]
        for position, movie in enumerate(side):
            age = 1.0 if position >= n_liked - 3 else 10.0 + position
            rows.append((user, int(movie), age, 1))
        rows += [(user, 2 * place + 1 - user % 2, 10.0, 0) for place in range(n_unliked)]
    return frame_table(rows), users_table(n_users), movies_table(n_movies)
