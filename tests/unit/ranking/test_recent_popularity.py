from dataclasses import replace

import numpy as np
import pytest

from movie_recommender.ranking import Dataset, Popularity
from movie_recommender.ranking.recent_popularity import RecentPopularity
from tests.unit.worlds import END, frame_table, movies_table, users_table

# Movie 0: two likes a day old. 1: one of five days. 2: a contact only. 3: three of nine days.
ROWS = [(0, 0, 1, 1), (1, 0, 1, 1), (0, 1, 5, 1), (2, 2, 1, 0)] + [(u, 3, 9, 1) for u in range(3)]


@pytest.fixture
def dataset() -> Dataset:
    frame = frame_table(ROWS)
    return Dataset.before(END, frame, users=users_table(3), movies=movies_table(5))


def test_a_positive_counts_half_after_each_half_life(dataset: Dataset) -> None:
    scores = RecentPopularity(dataset, half_life_days=4.0).scores(np.array([2, 0]))
    assert scores.dtype == np.float32
    assert scores[0] == pytest.approx([2 * 2**-0.25, 2**-1.25, 0, 3 * 2**-2.25, 0])
    assert (scores[1] == scores[0]).all()


def test_with_a_very_long_half_life_it_is_popularity(dataset: Dataset) -> None:
    recent = RecentPopularity(dataset, half_life_days=1e9).scores(np.arange(3))
    assert recent == pytest.approx(Popularity(dataset).scores(np.arange(3)), rel=1e-6)


def test_it_needs_times(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="times is None"):
        RecentPopularity(replace(dataset, times=None))
