"""What most tests of the training learn from."""

import pytest

from movie_recommender.evaluation import protocol
from movie_recommender.ranking import Dataset
from tests.unit.worlds import END, checkerboard


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    frame, users, movies = checkerboard(n_unliked=3)
    window = protocol.Window(END.replace(day=19), END)
    return protocol.make_task(frame, window, users=users, movies=movies, seed=0).dataset
