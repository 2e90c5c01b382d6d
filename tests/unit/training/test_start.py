"""A model grown from an earlier one: who stays keeps what was learned, who is new starts clean."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from movie_recommender.ranking import Dataset, NeuMF
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import Fitted, begin, fit, write_bundle
from movie_recommender.training.start import Earlier
from tests.unit.worlds import END, checkerboard

CONFIG = TrainingConfig(dim=8, epochs=4, mlp_epochs=2, min_steps=4, threads=1)


@pytest.fixture(scope="module")
def world() -> tuple[pa.Table, pa.Table, pa.Table]:
    return checkerboard()


@pytest.fixture(scope="module")
def whole(world: tuple[pa.Table, pa.Table, pa.Table]) -> Dataset:
    frame, users, movies = world
    return Dataset.before(END, frame, users=users, movies=movies)


@pytest.fixture(scope="module")
def past(world: tuple[pa.Table, pa.Table, pa.Table]) -> Dataset:
    """As it was when a few users and movies weren't there, and others, now gone, were."""
    frame, users, movies = world
    users, movies = users.slice(0, 50), movies.slice(4, 30)
    known = np.isin(frame["user_id"], users["user_id"])
    known &= np.isin(frame["movie_id"], movies["movie_id"])
    before = END - timedelta(days=2)
    return Dataset.before(before, frame.filter(pa.array(known)), users=users, movies=movies)


@pytest.fixture(scope="module")
def bundle(past: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier") / "bundle"
    write_bundle(folder, fit(past, CONFIG))
    return folder


@pytest.fixture(scope="module")
def grown(whole: Dataset, bundle: Path) -> Fitted:
    return begin(whole, CONFIG, earlier=Earlier.read(bundle))


def test_before_it_is_trained_it_scores_as_the_earlier_one(
    past: Dataset, whole: Dataset, bundle: Path, grown: Fitted, tmp_path: Path
) -> None:
    write_bundle(tmp_path / "grown", grown)
    was = NeuMF(bundle, past).scores(np.arange(50))
    now = NeuMF(tmp_path / "grown", past).scores(np.arange(50))
    np.testing.assert_allclose(now, was, rtol=1e-4, atol=1e-4)


def test_who_is_new_has_no_id_vector(whole: Dataset, grown: Fitted) -> None:
    model = grown.model
    assert not model.user_embedding[50:].any()
    assert model.user_embedding[:50].any(dim=1).all()
    new_movies = [*range(4), *range(34, 40)]
    assert not model.movie_embedding[new_movies].any()
    assert model.movie_embedding[4:34].any(dim=1).all()


def test_a_new_movie_starts_with_its_own_log_odds(whole: Dataset, grown: Fitted) -> None:
    fresh = begin(whole, CONFIG).model
    expected = (fresh.movie_bias + fresh.bias)[:4].detach().numpy()
    found = (grown.model.movie_bias + grown.model.bias)[:4].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_new_feature_moves_none_of_the_others(
    world: tuple[pa.Table, pa.Table, pa.Table], whole: Dataset, bundle: Path, grown: Fitted
) -> None:
    frame, users, movies = world
    genres = movies["genres"].to_pylist()
    genres[0] = ["Aardvark", *genres[0]]
    place = movies.schema.get_field_index("genres")
    richer = movies.set_column(place, "genres", pa.array(genres, pa.list_(pa.string())))
    dataset = Dataset.before(END, frame, users=users, movies=richer)
    learned = begin(dataset, CONFIG, earlier=Earlier.read(bundle))
    assert learned.encoding.genres == ("Aardvark", "Comedy", "Even", "Odd")
    kept = learned.model.movie_side[1:].detach().numpy()
    np.testing.assert_array_equal(kept, grown.model.movie_side.detach().numpy())
    assert learned.encoding.year_mean == grown.encoding.year_mean


def test_a_warm_training_is_shorter_and_gentler(grown: Fitted) -> None:
    warm = TrainingConfig(epochs=20, learning_rate=0.005, warm_share=0.3).warm()
    assert (warm.epochs, warm.mlp_epochs) == (6, 6)
    assert warm.learning_rate == pytest.approx(0.0015)
    assert grown.config.epochs == 1


def test_other_sizes_do_not_fit(bundle: Path) -> None:
    earlier = Earlier.read(bundle)
    assert earlier.fits(CONFIG)
    assert not earlier.fits(replace(CONFIG, dim=16))
