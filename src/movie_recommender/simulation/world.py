"""The simulated world: what names it, and how well its users like its movies.

An affinity is the inner product of a user's taste and a movie's traits over 16 factors, plus a
bonus for the language of home, plus the movie's quality. The first eight factors belong to genres,
so a movie's genres tell about them; director, cast and franchise tell about the others.
"""

from dataclasses import dataclass

import numpy as np

from movie_recommender.simulation.audience import Audience
from movie_recommender.simulation.catalogue import Catalogue
from movie_recommender.simulation.ids import Floats, Ints
from movie_recommender.simulation.presence import Slots

__all__ = ["Floats", "Ints", "World", "affinity", "make_world"]

LANGUAGE_BONUS, QUALITY_WEIGHT = 0.3, 0.48

# Counted in worlds of 1,000 to 100,000 users.
_INTERACTIONS_PER_USER_AND_DAY = 5.4
_FEWEST_MOVIES, _USERS_PER_MOVIE = 4_000, 10


@dataclass(frozen=True)
class World:
    """What names a world; everything in it follows from that and a date.

    Attributes:
        seed: any number from 0.
        n_users: users present on any day, U.
        n_movies: movies present on any day, I.
    """

    seed: int
    n_users: int
    n_movies: int

    @property
    def scope(self) -> tuple[int, int, int]:
        """What names this world: seed, users, movies."""
        return self.seed, self.n_users, self.n_movies

    @property
    def users(self) -> Slots:
        """Who of the users is there when: one in a thousand is new each day, about."""
        return Slots(self.n_users, (*self.scope, "users"), shortest=60, longest=146)

    @property
    def movies(self) -> Slots:
        """Which movies are there when: one in two thousand, and those of a month's first day."""
        return Slots(self.n_movies, (*self.scope, "movies"), shortest=120, longest=292)


def make_world(seed: int, n_users: int, n_movies: int) -> World:
    """The world of these numbers; with the same NumPy they always give the same world."""
    return World(seed, n_users, n_movies)


def sizes_for(n_interactions: int, n_days: int) -> tuple[int, int]:
    """Users and movies of a world in which about `n_interactions` happen in `n_days`.

    >>> sizes_for(1_000_000, 31)
    (5933, 4000)
    """
    users = max(1, round(n_interactions / n_days / _INTERACTIONS_PER_USER_AND_DAY))
    return users, max(_FEWEST_MOVIES, users // _USERS_PER_MOVIE)


def affinity(users: Audience, movies: Catalogue, rows: Ints) -> Floats:
    """(B, C) float32: how much each of (B,) users likes the movies at its (B, C) rows."""
    liking = np.einsum("bd,bcd->bc", users.taste, movies.traits[rows])
    at_home = users.language[:, None] == movies.language[rows]
    bonus = np.float32(LANGUAGE_BONUS) * at_home
    quality = np.float32(QUALITY_WEIGHT) * movies.quality
    return np.asarray(liking + bonus + quality[rows], np.float32)
