"""Routes by which a user, or an administrator, changes what is answered."""

import time
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header

from movie_recommender.errors import NotReadyError
from movie_recommender.serving.answers import Accepted, Asked
from movie_recommender.serving.context import Context
from movie_recommender.serving.feedback import Event, Feedback
from movie_recommender.serving.metrics import LAG
from movie_recommender.serving.problems import Problem, wrong_request

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="The client's own; sent again with it, the event counts once.",
    ),
]

RETRY_S = 5


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.post("/feedback", status_code=202, tags=["feedback"])
    async def feedback(body: Feedback, idempotency_key: IdempotencyKey = None) -> Accepted:
        """What a user did. Answered when Kafka has it; then his next list knows of it."""
        return await accept(context, body, idempotency_key)

    @routes.post("/admin/reload", status_code=202, tags=["admin"])
    async def reload() -> Asked:
        """Look at the registry and the feature store at once."""
        context.folder.ask_reload()
        return Asked()

    return routes


async def accept(context: Context, body: Feedback, idempotency_key: str | None) -> Accepted:
    """Have Kafka confirm what a user did, and the user's next list know of it.

    Raises:
        Problem: Kafka didn't confirm, the event's time is wrong, or its key was another event's.
    """
    began = time.perf_counter()
    event = _event(context, body, idempotency_key)
    if event.claim is not None:
        now = context.service.clock()
        if not context.claims.holds(event.claim, body.digest, now=now):
            raise _taken()
    try:
        await context.delivery.send(event.key, event.value)
    except NotReadyError as error:
        raise Problem(
            503,
            str(error),
            where="kafka",
            remedy="Send it again with the same Idempotency-Key: it counts once.",
            retry_after_s=RETRY_S,
        ) from error
    LAG.observe(time.perf_counter() - began)
    counted = False
    if event.contact is not None:
        with suppress(OSError):  # it is in Kafka: the next feature build knows of it
            context.service.add(event.contact)
            counted = True
    return Accepted(event_id=event.event_id, counted=counted)


def _taken() -> Problem:
    return Problem(
        422,
        "This user has sent another event with the same Idempotency-Key.",
        where="header Idempotency-Key",
        remedy="Send a new key with each event, and the same one only to try again.",
    )


def _event(context: Context, body: Feedback, key: str | None) -> Event:
    try:
        return Event(body, now=context.service.clock(), idempotency_key=key)
    except ValueError as error:
        found = {"loc": ("event_time",), "msg": str(error), "input": str(body.event_time)}
        raise wrong_request([found]) from None
