import inspect
import re

import pytest

from movie_recommender import errors
from movie_recommender.errors import MovieRecommenderError

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, MovieRecommenderError)
]
RETRYABLE = {"NotReadyError", "StorageError", "ConcurrentWriteError"}


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = re.findall(r"^[├└│─ ]*(\w+Error)\b", errors.__doc__ or "", flags=re.MULTILINE)
    assert sorted(drawn) == sorted(cls.__name__ for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_only_what_time_or_a_second_try_can_cure_is_retryable(
    cls: type[MovieRecommenderError],
) -> None:
    assert cls.retryable is (cls.__name__ in RETRYABLE)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_message_is_kept_as_it_was_written(cls: type[MovieRecommenderError]) -> None:
    assert str(cls("what, where, value, remedy")) == "what, where, value, remedy"
