from datetime import date, timedelta

import numpy as np
import pytest

from movie_recommender.simulation.shelf import candidates, cycle, smallest_prime_from
from movie_recommender.simulation.world import make_world

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(("n", "prime"), [(1, 2), (2, 2), (20, 23), (23, 23), (4000, 4001)])
def test_smallest_prime_from(n: int, prime: int) -> None:
    assert smallest_prime_from(n) == prime


@pytest.mark.parametrize("n_movies", [20, 45, 500, 4000])
@pytest.mark.parametrize("start", [DAY, DAY + timedelta(days=13)])
def test_every_movie_comes_up_once_in_a_period(n_movies: int, start: date) -> None:
    world = make_world(1, 5, n_movies)
    _, period = cycle(world)
    days = [start + timedelta(days=n) for n in range(period)]
    rows = np.concatenate([candidates(world, day, np.arange(1, 6)) for day in days], axis=1)
    for row in rows:
        assert sorted(row[row >= 0]) == list(range(n_movies))


def test_users_go_through_the_catalogue_in_orders_of_their_own() -> None:
    world = make_world(1, 5, 4000)
    rows = candidates(world, DAY, np.array([1, 2, 6, 7]))
    common = [len(np.intersect1d(rows[0], other)) for other in rows[1:]]
    assert max(common) < 20
