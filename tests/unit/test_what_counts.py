"""Serving knows of feedback before the feature store does; the two must mean the same by it."""

from datetime import UTC, datetime
from itertools import product

import duckdb
import pytest

from movie_recommender.events import INTERACTIONS
from movie_recommender.features.groups import read_sql
from movie_recommender.serving.feedback import Event, Feedback

TAKEN = sorted(set(INTERACTIONS.event_types) - {"impression"})
VALUES = {"rating": (0.5, 3.0, 3.5, 5.0), "fraction": (0.0, 0.49, 0.5, 1.0), "query": ("war",)}


def feedback(event_type: str) -> list[Feedback]:
    """Such an event with each value of what its type requires."""
    names = INTERACTIONS.event_types[event_type]
    choices = (VALUES.get(name, (7,)) for name in names)
    bodies = (dict(zip(names, values, strict=True)) for values in product(*choices))
    return [Feedback(event_type=event_type, user_id=1, **body) for body in bodies]


def in_the_store(event: Feedback) -> tuple[bool, bool]:
    """Whether features/sql/arrivals.sql takes it for a contact, and for a positive one."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            """
            CREATE TABLE interactions AS SELECT
                1 AS user_id, $movie_id AS movie_id, $event_type AS event_type,
                $rating AS rating, $fraction AS fraction, NULL AS session_id,
                DATE '2026-06-01' AS event_date,
                TIMESTAMPTZ '2026-06-01 12:00+00' AS event_time,
                TIMESTAMPTZ '2026-06-01 12:01+00' AS ingestion_time
            """,
            event.model_dump(include={"movie_id", "event_type", "rating", "fraction"}),
        )
        arrivals = read_sql("arrivals")
        for name in ("$last_day", "$as_of", "$on_time_until"):
            arrivals = arrivals.replace(name, "CAST('2026-06-02' AS TIMESTAMPTZ)")
        connection.execute(f"CREATE TABLE arrivals AS {arrivals}")
        [found] = connection.sql("SELECT is_contact, is_positive FROM arrivals").fetchall()
    return bool(found[0]), bool(found[1])


@pytest.mark.parametrize("event_type", TAKEN)
def test_serving_and_features_mean_the_same_by_an_event(event_type: str) -> None:
    for body in feedback(event_type):
        contact = Event(body, now=datetime.now(UTC), idempotency_key=None).contact
        ours = (contact is not None, contact is not None and contact.liked)
        assert ours == in_the_store(body), body
