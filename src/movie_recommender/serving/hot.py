"""`GET /recommendations/{user_id}` as bare ASGI: what is asked most goes the shortest way."""

import secrets
import time
from functools import lru_cache
from urllib.parse import parse_qsl

from pydantic import ValidationError

from movie_recommender.serving.gate import App, Receive, Scope, Send, send_json
from movie_recommender.serving.impressions import Impressions, Shown
from movie_recommender.serving.metrics import ANSWERS, CACHE, RESPONSES, SECONDS
from movie_recommender.serving.problems import Problem, wrong_request
from movie_recommender.serving.query import MAX_USER_ID, Query
from movie_recommender.serving.service import Service
from movie_recommender.serving.shadow import Shadow

PATH = "/recommendations/"
ROUTE = "/recommendations/{user_id}"

_DEFAULT = Query()
_MAX_DIGITS = 20
_MAX_FIELDS = 50


class HotRoute:
    """ASGI: answers the one route itself and hands everything else on.

    Args:
        service: answers.
        impressions: takes what was shown.
        app: the rest of the application.
        shadow: ranks some of what was shown a second time; None: nobody does.
    """

    def __init__(
        self, service: Service, impressions: Impressions, app: App, *, shadow: Shadow | None = None
    ) -> None:
        self._service = service
        self._shadow = shadow
        self._impressions = impressions
        self._app = app
        self._seconds = SECONDS.labels(ROUTE)
        self._ok = RESPONSES.labels(ROUTE, "200")
        self._hit, self._miss = CACHE.labels("hit"), CACHE.labels("miss")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if not is_hot(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = self.counted(scope)
        except Problem as problem:
            RESPONSES.labels(ROUTE, str(problem.status)).inc()
            await send_json(send, problem.status, problem.body(), problem.headers)
            return
        await send_json(send, 200, body)

    def counted(self, scope: Scope) -> bytes:
        """`answer` to a request for which `is_hot` holds; it is counted if it goes well.

        Raises:
            Problem: a parameter is wrong, or there is no model yet.
        """
        began = time.perf_counter()
        body = self.answer(scope["path"][len(PATH) :], scope["query_string"])
        self._seconds.observe(time.perf_counter() - began)
        self._ok.inc()
        return body

    def answer(self, user_id: str, query_string: bytes) -> bytes:
        """JSON of a user's list.

        Args:
            user_id: decimal digits.
            query_string: the parameters of `Query`.

        Raises:
            Problem: a parameter is wrong, or there is no model yet.
        """
        user = _user_id(user_id)
        query = _query(query_string) if query_string else _DEFAULT
        return self.recommend(user, query)

    def recommend(self, user_id: int, query: Query) -> bytes:
        """JSON of a user's list; it counts as shown unless the query says otherwise.

        Raises:
            Problem: there is no model yet.
        """
        answer = self._service.recommend(user_id, query)
        (self._hit if answer.cached else self._miss).inc()
        ANSWERS.labels(answer.kind, str(answer.version)).inc()
        if not query.impressions:
            return answer.body(None)
        impression_id = secrets.token_hex(12)
        shown = Shown(
            impression_id,
            user_id,
            answer.movie_ids,
            answer.version,
            answer.reason,
            self._service.clock(),
        )
        self._impressions.put(shown)
        if self._shadow is not None:
            self._shadow.put(query, answer)
        return answer.body(impression_id)


def is_hot(scope: Scope) -> bool:
    """Whether `HotRoute` answers the request itself."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    path = scope["path"]
    return path.startswith(PATH) and "/" not in path[len(PATH) :]


def _user_id(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS
    if not digits or int(text) > MAX_USER_ID:
        raise wrong_request(
            [
                {
                    "loc": ("user_id",),
                    "msg": f"expected a whole number from 0 to {MAX_USER_ID}",
                    "input": text,
                }
            ]
        )
    return int(text)


@lru_cache(maxsize=256)  # most ask alike
def _query(query_string: bytes) -> Query:
    try:
        text = query_string.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        return Query.model_validate(dict(pairs))
    except ValidationError as error:
        raise wrong_request(error.errors(include_url=False, include_context=False)) from None
    except ValueError as error:
        raise wrong_request([{"loc": ("query",), "msg": str(error), "input": text[:100]}]) from None
