import math
from typing import Any

import pytest

from movie_recommender.registry.smoke import K, list_problem


def answer(**changes: Any) -> dict[str, Any]:
    items = [{"movie_id": 100 + place, "score": 5.0 - place} for place in range(K)]
    return {"model_version": 3, "reason": "personal", "items": items, **changes}


def problem(found: dict[str, Any], *, seen: tuple[int, ...] = (7,)) -> str | None:
    return list_problem(found, version=3, seen=set(seen))


def with_item(place: int, **changes: Any) -> dict[str, Any]:
    found = answer()
    found["items"][place] |= changes
    return found


def test_a_full_list_is_right() -> None:
    assert problem(answer()) is None


def test_a_short_list_is_right_where_it_says_so() -> None:
    short = answer()["items"][:4]
    assert problem(answer(items=short)) == "it has 4 movies"
    reason = "popular; k=10 cut to the 4 movies that are left"
    assert problem(answer(items=short, reason=reason)) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (answer(model_version=2), "it is of version 2"),
        (with_item(3, movie_id=100), "a movie is in it twice"),
        (with_item(3, movie_id=7), "a seen movie is in it"),
        (with_item(3, score=math.nan), "a score isn't a number"),
        (with_item(3, score=None), "a score isn't a number"),
        (with_item(3, score=99.0), "the best isn't first"),
    ],
)
def test_what_is_wrong_is_named(found: dict[str, Any], expected: str) -> None:
    assert problem(found) == expected
