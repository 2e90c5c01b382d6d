"""What a user did, as the API takes it: the contract of `events.INTERACTIONS`, checked at the door.

The limits of a request's fields are the contract's, so that the two can't say different things.
"""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
import pyarrow as pa
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from movie_recommender.events import INTERACTIONS, MAX_FUTURE, SCHEMA_VERSION
from movie_recommender.serving.journal import Contact

LIKED_STARS, LIKED_FRACTION = 3.5, 0.5
"""From these on a rating and a watch are positive, as in features/sql/arrivals.sql."""


def _limits(name: str) -> Any:
    """The limits that the contract sets for one of its fields."""
    field = next(field for field in INTERACTIONS.fields if field.name == name)
    limits: dict[str, Any] = {"ge": field.minimum, "le": field.maximum}
    if field.type == pa.string():
        limits |= {"min_length": 1, "max_length": field.max_length}
    if field.type == pa.float64():
        limits |= {"allow_inf_nan": False}
    return Field(**{limit: value for limit, value in limits.items() if value is not None})


class Feedback(BaseModel):
    """Body of `POST /feedback`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: Literal["view", "watch", "rating", "like", "search"]
    user_id: Annotated[int, _limits("user_id")]
    movie_id: Annotated[int | None, _limits("movie_id")] = None
    fraction: Annotated[float | None, _limits("fraction")] = None
    rating: Annotated[float | None, _limits("rating")] = None
    position: Annotated[int | None, _limits("position")] = None
    query: Annotated[str | None, _limits("query")] = None
    session_id: Annotated[str | None, _limits("session_id")] = None
    event_id: Annotated[str | None, _limits("event_id")] = None
    event_time: Annotated[AwareDatetime | None, Field(description="When; now by default.")] = None
    impression_id: Annotated[
        str | None,
        Field(min_length=1, max_length=64, description="Of the list that it answers."),
    ] = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        required = INTERACTIONS.event_types[self.event_type]
        missing = [name for name in required if getattr(self, name) is None]
        if missing:
            message = f"event_type={self.event_type!r} needs {', '.join(missing)}"
            raise ValueError(message)
        return self

    @property
    def is_positive(self) -> bool:
        """Whether it says that the user likes the movie."""
        return (
            self.event_type == "like"
            or (self.event_type == "rating" and (self.rating or 0.0) >= LIKED_STARS)
            or (self.event_type == "watch" and (self.fraction or 0.0) >= LIKED_FRACTION)
        )

    @property
    def is_negative(self) -> bool:
        """Whether it says that the user doesn't like the movie, whatever he said before."""
        return self.event_type == "rating" and not self.is_positive

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it says: (32,) bytes, the same for the same fields."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).digest()


class Event:
    """An event that goes to Kafka.

    Args:
        feedback: checked.
        now: when it came.
        idempotency_key: the client's own; the same one, from the same user, is the same event.

    Raises:
        ValueError: the event lies too far ahead of `now`.
    """

    def __init__(self, feedback: Feedback, *, now: datetime, idempotency_key: str | None) -> None:
        self.feedback = feedback
        self.time: datetime = feedback.event_time or now
        if self.time > now + MAX_FUTURE:
            message = f"event_time={self.time.isoformat()} is more than {MAX_FUTURE} ahead"
            raise ValueError(message)
        self.claim = None if idempotency_key is None else _id(feedback.user_id, idempotency_key)
        """What the idempotency key claims, the user's own; None: there is none."""
        self.event_id = feedback.event_id or self.claim or uuid.uuid4().hex

    @property
    def key(self) -> bytes:
        """Kafka's key: the user's id, as in the simulator's events."""
        return str(self.feedback.user_id).encode()

    @property
    def value(self) -> bytes:
        """JSON as extraction reads it; `impression_id` is kept in the lake's column `extra`."""
        fields = self.feedback.model_dump(exclude_none=True) | {
            "event_id": self.event_id,
            "event_time": self.time.astimezone(UTC).isoformat(),
            "schema_version": SCHEMA_VERSION,
        }
        return orjson.dumps(fields)

    @property
    def contact(self) -> Contact | None:
        """What it says about a user and a movie; a search says nothing."""
        feedback = self.feedback
        if feedback.movie_id is None or feedback.event_type == "search":
            return None
        time_us = int(self.time.timestamp() * 1_000_000)
        liked, disliked = feedback.is_positive, feedback.is_negative
        return Contact(feedback.user_id, feedback.movie_id, time_us, liked, disliked)


def _id(user_id: int, key: str) -> str:
    return hashlib.sha256(f"{user_id}:{key}".encode()).hexdigest()[:32]
