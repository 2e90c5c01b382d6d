import numpy as np
import pytest

from movie_recommender.simulation.world import GENRES, make_world, smallest_prime_from


@pytest.mark.parametrize(("n", "prime"), [(1, 2), (2, 2), (20, 23), (23, 23), (4000, 4001)])
def test_smallest_prime_from(n: int, prime: int) -> None:
    assert smallest_prime_from(n) == prime


def test_affinities_have_about_mean_zero_and_unit_spread() -> None:
    world = make_world(1, 300, 400)
    affinity = world.affinity(np.arange(300), np.broadcast_to(np.arange(400), (300, 400)))
    assert abs(affinity.mean()) < 0.3
    assert 0.8 < affinity.std() < 1.3


def test_genres_carry_a_good_part_of_taste() -> None:
    """Variance of a user's affinities that a linear model of the genres explains."""
    world = make_world(1, 100, 2000)
    affinity = world.taste @ world.traits.T  # (U, I)
    genres = np.array(
        [[name in row for name in GENRES] for row in world.movies["genres"].to_pylist()], float
    )
    genres /= genres.sum(axis=1, keepdims=True)
    fitted, *_ = np.linalg.lstsq(genres, affinity.T, rcond=None)
    explained = 1 - np.var(affinity.T - genres @ fitted) / np.var(affinity)
    assert 0.3 < explained < 0.8


def test_popularity_is_a_power_law() -> None:
    world = make_world(1, 10, 1000)
    weights = np.sort(np.exp(world.log_popularity))[::-1]
    assert weights[:10].sum() > 10 * weights[-100:].sum() / 10
    slope = np.polyfit(np.log(np.arange(1, 1001)), np.log(weights), 1)[0]
    assert slope == pytest.approx(-0.8, abs=0.01)
