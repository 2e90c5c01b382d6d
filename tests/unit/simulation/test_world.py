from datetime import date

import numpy as np

from movie_recommender.simulation.audience import audience
from movie_recommender.simulation.catalogue import catalogue
from movie_recommender.simulation.world import affinity, make_world

DAY = date(2026, 3, 1)


def test_affinities_have_about_mean_zero_and_unit_spread() -> None:
    world = make_world(1, 300, 400)
    users = audience(world.users.scope, world.users.present(DAY).ids, DAY)
    movies = catalogue(world.movies, DAY)
    values = affinity(users, movies, np.broadcast_to(np.arange(400), (300, 400)))
    assert abs(values.mean()) < 0.3
    assert 0.9 < values.std() < 1.4


def test_worlds_of_other_seeds_and_sizes_have_other_people() -> None:
    first = make_world(1, 300, 400)
    for other in (make_world(2, 300, 400), make_world(1, 300, 401)):
        tastes = [
            audience(w.users.scope, np.arange(1, 300), DAY).taste.mean() for w in (first, other)
        ]
        assert tastes[0] != tastes[1]
