from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_recommender.durations import FORM, duration, in_words


@given(st.integers(min_value=0, max_value=60 * 24 * 400))
def test_what_is_said_in_words_is_understood(minutes: int) -> None:
    length = timedelta(minutes=minutes)
    assert duration(in_words(length)) == length


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("2h", 120), (" 90min ", 90), ("1h 30 min", 90), ("1d", 1440), ("1d2h3min", 1563)],
)
def test_what_people_write_is_understood(text: str, minutes: int) -> None:
    assert duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "2", "soon", "2 hours", "min", "30min 1h", "-2h", "1.5h", "2:00:00"]
)
def test_another_form_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(ValueError, match="as in 2h, 90min") as caught:
        duration(text)
    assert FORM in str(caught.value)


def test_words() -> None:
    lengths = [timedelta(hours=2), timedelta(minutes=65), timedelta(0)]
    assert [in_words(length) for length in lengths] == ["2 h", "1 h 5 min", "0 min"]
