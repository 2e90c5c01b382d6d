import numpy as np
from ratings.planted import FEWEST, planted, planted_case

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Popularity
from movie_recommender.ranking.als import ALS


def test_sizes_are_those_asked_for() -> None:
    pairs = planted(300, 250, 15_000, seed=1)
    assert abs(len(pairs) - 15_000) < 1_000
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    counts = np.bincount(pairs[:, 0], minlength=300)
    assert counts.min() >= FEWEST
    assert counts.max() <= 125
    assert pairs[:, 1].max() < 250


def test_the_seed_decides() -> None:
    first, again, other = (planted(40, 150, 1_000, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert first.shape != other.shape or (first != other).any()


def test_there_is_a_taste_to_find() -> None:
    case = planted_case(800, 300, 40_000, seed=1)
    assert case.task.user.tolist() == list(range(800))
    popular, factors = (
        protocol.judge(scorer, case.task).means()["ndcg_at_10"]
        for scorer in (Popularity(case.learned), ALS(case.learned, seed=0, factors=16))
    )
    chance = 0.0454  # a mean of 1 / log2(rank + 2) over the first ten of a hundred ranks
    assert popular > 3 * chance
    assert factors > 1.2 * popular
