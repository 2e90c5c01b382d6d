"""Rates are read strictly."""

from dataclasses import fields

import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.simulation.dirt import Dirt


@pytest.mark.parametrize("text", ["late", "late=2", "late=-0.1", "lat=0.1", "late=nan", ""])
def test_wrong_rates_are_refused_with_the_allowed_form(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SIMULATION_DIRT=.*NAME=RATE"):
        Dirt.parse(text)


def test_rates_not_named_are_zero() -> None:
    rates = dict.fromkeys((field.name for field in fields(Dirt)), 0.0)
    assert Dirt.parse("late=0.25,malformed=1") == Dirt(**{**rates, "late": 0.25, "malformed": 1.0})
    assert Dirt.parse("none") == Dirt(**rates)
