"""The short way of a list: what the gate and the hot route do, without ASGI between them."""

from movie_recommender.serving.access import Door
from movie_recommender.serving.direct import SERVED_LATELY, Reply
from movie_recommender.serving.gate import ADMITTED, Scope, no_room
from movie_recommender.serving.hot import HotRoute, is_hot
from movie_recommender.serving.metrics import RESPONSES
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.room import Room

REST_S = 0.2
"""So long nothing is read from a connection that was refused: who comes again as he is asked to
doesn't notice, and who comes again at once costs no more than five times a second."""

_HEAD = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"


class ShortWay:
    """Answers a request at once, or leaves it to the application.

    In a crowd that lasts, a turn of the loop reads the connections in the order of the one before:
    the same would be answered for ever. So there is half the room for a connection that was
    answered just now.

    Args:
        hot: answers.
        door: raises a `Problem` for a request that may not come in.
        room: counts who is before whom.
        limit: where more are before a request, 503.
    """

    def __init__(self, hot: HotRoute, *, door: Door, room: Room, limit: int) -> None:
        self._hot = hot
        self._door = door
        self._room = room
        self._limit = limit
        problem = no_room(limit)
        retry = b"retry-after: %b\r\n" % problem.headers["retry-after"].encode()
        body = problem.body()
        head = _HEAD % (b"503 Service Unavailable", len(body)) + retry
        self._no_room = Reply(head, body, rest_s=REST_S)
        self._n_refused = RESPONSES.labels("gate", "503")

    def __call__(self, scope: Scope) -> Reply | None:
        """A list, or that there is no room; None: the application has to say it."""
        if not is_hot(scope) or (self._door.is_limited and _is_forwarded(scope)):
            return None
        limit = self._limit // 2 if scope.get(SERVED_LATELY) else self._limit
        if not self._room.has_for_another(limit):
            self._n_refused.inc()
            return self._no_room
        try:
            self._door.admit(scope)
            scope[ADMITTED] = True
            body = self._hot.counted(scope)
        except Problem as problem:  # it is told as a page to who asked for one
            scope.setdefault(ADMITTED, problem)
            self._room.take_back()
            return None
        except Exception:  # noqa: BLE001  (the ordinary way meets it again, and logs it)
            self._room.take_back()
            return None
        return Reply(_HEAD % (b"200 OK", len(body)), body)


def _is_forwarded(scope: Scope) -> bool:
    """Whether a proxy says for whom it asks; on the ordinary way uvicorn weighs its word."""
    return any(name == b"x-forwarded-for" for name, _ in scope["headers"])
