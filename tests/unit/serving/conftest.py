"""A small trained model, as a registered version holds it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from movie_recommender.bundle import write_manifest
from movie_recommender.ranking import Dataset
from movie_recommender.serving.journal import Journal, JournalReader
from movie_recommender.serving.model import ServedModel
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import fit, write_bundle
from tests.unit.worlds import END, checkerboard, frame_table, movies_table, users_table

N_USERS, N_MOVIES = 62, 42
"""Beside the checkerboard's 60 and 40, two users and two movies without a like."""


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """What 60 users met and liked."""
    frame, _, _ = checkerboard(n_unliked=3)
    users, movies = users_table(N_USERS), movies_table(N_MOVIES)
    return Dataset.before(END, frame, users=users, movies=movies)


@pytest.fixture(scope="session")
def bundle(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "bundle"
    config = TrainingConfig(dim=8, epochs=12, mlp_epochs=4, min_steps=4, threads=1)
    learned = fit(dataset, config)
    assert learned.model.mlp_out.abs().max() > 0  # the tower takes part
    write_bundle(directory, learned)
    manifest(directory)
    return directory


def manifest(directory: Path) -> None:
    write_manifest(
        directory,
        model_name="m",
        training_key="k",
        snapshot_id="s",
        as_of=END.isoformat(),
        trained_until=END.isoformat(),
        lake_versions={},
        code_version="0",
        config={},
        metrics={},
    )


@pytest.fixture(scope="session")
def model(bundle: Path) -> ServedModel:
    return ServedModel(bundle, version=1)


@pytest.fixture(scope="session")
def later(dataset: Dataset) -> Dataset:
    """The same movies, a user of whom training knows nothing and who likes even ones, and one
    without likes."""
    rows = [(60, movie, 5.0 - movie / 10, 1) for movie in (0, 2, 4)]
    rows += [(60, movie, 5.0, 0) for movie in (6, 9)]
    users = users_table(64)
    return Dataset.before(END, frame_table(rows), users=users, movies=dataset.movies)


@pytest.fixture
def reader_of() -> Iterator[Callable[[Journal], JournalReader]]:
    """Readers that are closed at the end."""
    with ExitStack() as stack:
        yield lambda journal: stack.enter_context(closing(journal.reader()))


def like_rows(dataset: Dataset, row: int) -> np.ndarray:
    """Movie rows that the user at `row` liked, oldest first."""
    part = slice(*dataset.positives.indptr[row : row + 2])
    assert dataset.times is not None
    return dataset.positives.indices[part][np.argsort(dataset.times[part], kind="stable")]
