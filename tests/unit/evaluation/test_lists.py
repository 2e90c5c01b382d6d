import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from movie_recommender.evaluation import lists
from movie_recommender.evaluation.lists import Catalogue
from movie_recommender.ranking import Dataset
from tests.unit.worlds import END, users_table

GENRES = [["A"], ["B"], ["A", "B"], []]


def catalogue(positives: list[list[int]], genres: list[list[str] | None] = GENRES) -> Catalogue:  # type: ignore[assignment]
    matrix = csr_array(np.array(positives, np.float32))
    movies = pa.table(
        {
            "movie_id": pa.array(range(len(genres)), pa.int64()),
            "genres": pa.array(genres, pa.list_(pa.string())),
        }
    )
    return Catalogue.of(Dataset(users_table(len(positives)), movies, matrix, matrix, END))


def rows(*lists_: list[int]) -> np.ndarray:
    return np.array(lists_, np.int64)


def test_genres_as_a_matrix() -> None:
    movies = pa.table({"genres": pa.array([["B", "A"], None, ["A", None]], pa.list_(pa.string()))})
    names, has = lists.genres_of(movies)
    assert names == ("A", "B")
    assert has.tolist() == [[True, True], [False, False], [True, False]]


def test_the_best_are_the_lowest_costs_in_order() -> None:
    cost = np.array([[3, 1, 2, np.inf], [np.inf, np.inf, 5, np.inf]], np.float32)
    assert lists.best(cost, 3).tolist() == [[1, 2, 0], [2, -1, -1]]
    assert lists.best(cost, 9).tolist() == [[1, 2, 0, -1], [2, -1, -1, -1]]
    assert lists.best(np.zeros((1, 3), np.float32), 3).tolist() == [[0, 1, 2]]


def test_the_best_are_those_of_a_full_sort() -> None:
    cost = np.random.default_rng(0).normal(size=(50, 200)).astype(np.float32)
    assert (lists.best(cost) == np.argsort(cost, axis=1)[:, :10]).all()


def test_novelty_by_hand() -> None:
    # Of four users with likes, four liked movie 0, two movie 1, nobody 2 and 3 (as if one had).
    known = catalogue([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    found = known.novelty(rows([0, 1], [1, 2], [3, -1], [-1, -1]))
    assert found[:3].tolist() == [0.5, 1.5, 2.0]
    assert math.isnan(found[3])


def test_diversity_by_hand() -> None:
    known = catalogue([[1, 0, 0, 0]])
    # A and B have nothing in common; A and AB the cosine 1 / sqrt 2; who has no genre is alone.
    found = known.diversity(rows([0, 1, -1], [0, 2, -1], [0, 1, 2], [0, 3, -1], [0, -1, -1]))
    third = (1 + 2 * (1 - 1 / math.sqrt(2))) / 3
    assert found[:4].tolist() == pytest.approx([1.0, 1 - 1 / math.sqrt(2), third, 1.0])
    assert math.isnan(found[4])
    twins = catalogue([[1, 0]], [["A"], ["A"]])
    assert twins.diversity(rows([0, 1])).tolist() == pytest.approx([0.0])


def test_calibration_by_hand() -> None:
    # Likes A and AB: three quarters A. A list of both is just that; one of B alone is far off.
    known = catalogue([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    user = np.zeros(2, np.int64)
    found = known.calibration(rows([0, 2], [1, 3]), user)
    shown_a, shown_b = 0.01 * 0.75, 0.99 + 0.01 * 0.25
    far = 0.75 * math.log(0.75 / shown_a) + 0.25 * math.log(0.25 / shown_b)
    assert found.tolist() == pytest.approx([0.0, far])
    # Nothing liked, nothing with a genre liked, no genre shown: there is nothing to compare.
    undefined = known.calibration(rows([0, 2], [0, 2], [3, -1]), np.array([1, 2, 0]))
    assert np.isnan(undefined).all()


def test_a_genre_that_is_not_wanted_costs_only_its_room() -> None:
    known = catalogue([[1, 0, 0, 0]])
    found = known.calibration(rows([0, 1]), np.zeros(1, np.int64))
    assert found.tolist() == pytest.approx([math.log(1 / (0.99 * 0.5 + 0.01))])


def test_quality_of_lists_is_that_of_loops_over_their_movies() -> None:
    rng = np.random.default_rng(1)
    names = list("ABCDE")
    genres = [list(rng.choice(names, rng.integers(0, 4), replace=False)) for _ in range(30)]
    positives = (rng.random((20, 30)) < 0.3).astype(int).tolist()
    known = catalogue(positives, genres)  # type: ignore[arg-type]
    drawn = np.array([rng.permutation(30)[:10] for _ in range(20)])
    diversity, novelty = known.diversity(drawn), known.novelty(drawn)
    for user, shown in enumerate(drawn):
        pairs = [(a, b) for place, a in enumerate(shown) for b in shown[:place]]
        assert diversity[user] == pytest.approx(
            np.mean([1 - cosine(set(genres[a]), set(genres[b])) for a, b in pairs])
        )
        liked = [max(1, sum(row[movie] for row in positives)) for movie in shown]
        assert novelty[user] == pytest.approx(np.mean([-math.log2(k / 20) for k in liked]))


def cosine(a: set[str], b: set[str]) -> float:
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else 0.0


def test_coverage_by_hand() -> None:
    # Movies 0, 1 and 3 of five; 0 is in both lists.
    values = lists.coverage(rows([0, 1], [0, 3]), 5)
    assert values.tolist() == pytest.approx([0.6, 0.6])
    # The second user shows two movies of their own, the first none of six.
    values = lists.coverage(rows([0, -1], [1, 2], [0, -1]), 6)
    assert values.mean() == pytest.approx(0.5)
    assert values[1] - values[0] == pytest.approx(2 * 2 / 6)


def test_coverages_values_vary_as_it_does_between_samples_of_users() -> None:
    rng = np.random.default_rng(2)
    chance = 1 / np.arange(1, 401)
    population = np.array([rng.choice(400, 10, False, chance / chance.sum()) for _ in range(5000)])
    samples = [lists.coverage(population[rng.integers(5000, size=100)], 400) for _ in range(300)]
    between = np.std([values.mean() for values in samples])
    told = np.mean([values.std() / math.sqrt(100) for values in samples])
    assert between < told < 1.5 * between  # the jackknife errs on the careful side
