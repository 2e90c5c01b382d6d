"""Whether serving answers with a version, and whether its answers are what they should be."""

import math
import time
from typing import Any

import httpx
from pydantic import SecretStr

from movie_recommender.errors import NotReadyError, RegistryError

K = 10
UNKNOWN_USER = 2**62 + 1
"""An id that no event has."""

_PAUSE_S = 0.2
_REQUEST_S = 5.0
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)

Record = dict[str, Any]


class Serving:
    """The server at `url`.

    Args:
        url: SERVING_URL.
        timeout_s: how long it may take to take up a version.
        key: SERVING_CLIENT_KEY, for a server that asks for one.
    """

    def __init__(self, url: str, *, timeout_s: float, key: SecretStr | None = None) -> None:
        self._url = url
        self._timeout_s = timeout_s
        headers = {} if key is None else {"x-api-key": key.get_secret_value()}
        self._client = httpx.Client(base_url=url, timeout=_REQUEST_S, headers=headers)

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def confirm(self, version: int) -> None:
        """Wait until every worker serves `version`, then ask for lists and look at them.

        Raises:
            NotReadyError: it doesn't answer, or not with this version in time.
            RegistryError: it can't load the version, or a list is wrong.
        """
        ready = self._wait(version)
        known = ready["model"]["a_known_user"]
        for user_id in (UNKNOWN_USER, *([] if known is None else [known])):
            self._check_list(user_id, version)

    def _wait(self, version: int) -> Record:
        deadline = time.monotonic() + self._timeout_s
        while True:
            found = self._ready()
            if found is not None and _serves(found, version):
                return found
            refused = None if found is None else _refusal(found, version)
            if refused is not None:
                message = f"Serving at SERVING_URL={self._url} can't load {refused}"
                raise RegistryError(message)
            if time.monotonic() > deadline:
                raise NotReadyError(self._late(version, found))
            time.sleep(_PAUSE_S)

    def _ready(self) -> Record | None:
        try:
            return dict(self._client.get("/ready").json())
        except (httpx.HTTPError, ValueError):
            return None

    def _late(self, version: int, found: Record | None) -> str:
        state = "nobody answers" if found is None else f"it says {_summary(found)}"
        return (
            f"Serving at SERVING_URL={self._url} doesn't answer with version {version} within "
            f"SERVING_TIMEOUT_S={self._timeout_s:g} s: {state}. Start it (movie-recommender "
            "serve), or unset SERVING_URL to promote without it."
        )

    def _check_list(self, user_id: int, version: int) -> None:
        where = f"/recommendations/{user_id}"
        found = self._get(where)
        explained = self._get(f"{where}/explain")
        wrong = list_problem(found, version=version, seen=set(explained["seen"]))
        if wrong is not None:
            message = (
                f"Version {version} at SERVING_URL={self._url} answers {where}?k={K} wrongly: "
                f"{wrong}. It was taken back; look at its run in MLflow."
            )
            raise RegistryError(message)

    def _get(self, path: str) -> Record:
        try:
            answer = self._client.get(path, params={"k": K, "impressions": "false"})
            if answer.status_code in _REFUSED:
                raise NotReadyError(self._refused(path, answer.status_code))
            return dict(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError) as error:
            message = f"Serving at SERVING_URL={self._url} doesn't answer {path}: {error!r:.300}"
            raise NotReadyError(message) from error

    def _refused(self, path: str, status: int) -> str:
        return (
            f"Serving at SERVING_URL={self._url} refuses {path} with {status}: "
            "SERVING_CLIENT_KEY must hold a key with the scope read. Set it."
        )


def list_problem(found: Record, *, version: int, seen: set[int]) -> str | None:
    """What is wrong with a list of `K`; None: nothing.

    Args:
        found: an answer of `/recommendations/{user_id}`.
        version: that must have made it.
        seen: ids of the movies that must not be in it.
    """
    items = found["items"]
    ids = [item["movie_id"] for item in items]
    scores = [item["score"] for item in items]
    rules = {
        f"it is of version {found['model_version']}": found["model_version"] == version,
        f"it has {len(ids)} movies": len(ids) == K or "cut to" in found["reason"],
        "a movie is in it twice": len(set(ids)) == len(ids),
        "a seen movie is in it": not seen & set(ids),
        "a score isn't a number": all(_is_number(score) for score in scores),
    }
    wrong = next((rule for rule, holds in rules.items() if not holds), None)
    if wrong is None and scores != sorted(scores, reverse=True):
        return "the best isn't first"
    return wrong


def _is_number(score: object) -> bool:
    return isinstance(score, int | float) and math.isfinite(score)


def _serves(found: Record, version: int) -> bool:
    workers = [worker["version"] for worker in found["workers"]]
    return bool(found["ready"] and workers and set(workers) == {version})


def _refusal(found: Record, version: int) -> str | None:
    """Why the keeper or a worker can't take up the version; None where nobody says so."""
    return next((text for text in found["degraded"] if f"version {version}:" in text), None)


def _summary(found: Record) -> str:
    versions = [worker["version"] for worker in found["workers"]]
    return f"workers serve {versions}, degraded: {'; '.join(found['degraded']) or 'nothing'}"
