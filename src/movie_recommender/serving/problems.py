"""What a client is told who gets no answer: what, where, the remedy. Never a stack trace."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic_core import ErrorDetails

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ProblemParts(BaseModel):
    """The parts of an error."""

    what: str
    where: str
    remedy: str


class ProblemBody(BaseModel):
    """An error, as every route answers it."""

    error: ProblemParts


class Problem(Exception):
    """An answer that isn't the one asked for.

    Args:
        status: of HTTP.
        what: happened; a sentence.
        where: the parameter, the field, the part of the service.
        remedy: what to do about it; a sentence.
        retry_after_s: seconds after which it may go well; None: it won't by itself.
        headers: further ones of the answer, names in lower case.
    """

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: str,
        remedy: str,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.content = {"error": {"what": what, "where": where, "remedy": remedy}}
        self.headers = dict(headers)
        if retry_after_s is not None:
            self.headers["retry-after"] = str(retry_after_s)

    def body(self) -> bytes:
        """As JSON."""
        return orjson.dumps(self.content)


def wrong_request(errors: list[ErrorDetails] | list[Any]) -> Problem:
    """422 for what pydantic found wrong, the first error in words and the others by place."""
    places = [".".join(str(part) for part in error["loc"]) or "request" for error in errors]
    found = repr(errors[0].get("input"))
    what = f"{places[0]}: {errors[0]['msg']}, found {found[:100]}."
    return Problem(
        422,
        what,
        where=", ".join(dict.fromkeys(places)),
        remedy="Correct the request; /docs shows what each parameter allows.",
    )


def no_model() -> Problem:
    """503 while there is nothing to rank with."""
    return Problem(
        503,
        "There is no model yet: no version was promoted, or none could be loaded.",
        where="model",
        remedy="See /ready; promote one: movie-recommender promote VERSION",
        retry_after_s=5,
    )
