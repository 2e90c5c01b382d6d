from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from movie_recommender.simulation.catalogue import (
    Catalogue,
    _log_popularity,
    catalogue,
    movie_attributes,
    queries,
)
from movie_recommender.simulation.names import GENRES, people
from movie_recommender.simulation.presence import Present, Slots, days_since_1970

DAY = date(2026, 3, 15)
GENRE_FACTORS = 8
SLOTS = Slots(4000, (3, 100, 4000, "movies"), shortest=120, longest=292)


@pytest.fixture(scope="module")
def movies() -> Catalogue:
    return catalogue(SLOTS, DAY)


@pytest.fixture(scope="module")
def attributes(movies: Catalogue) -> pa.Table:
    return movie_attributes(SLOTS, movies.ids)


def likeness(traits: npt.NDArray[np.float32], names: list[str | None]) -> float:
    """Mean inner product of two movies of one name, in units of a movie's own square."""
    values = np.array([str(name) for name in names])
    products = [
        (np.square(mine.sum(axis=0)).sum() - np.square(mine).sum()) / (len(mine) * (len(mine) - 1))
        for name in np.unique(values[values != "None"])
        if len(mine := traits[values == name]) > 1
    ]
    return float(np.mean(products) / np.square(traits).sum(axis=1).mean())


def test_makers_and_genres_tell_about_traits(movies: Catalogue, attributes: pa.Table) -> None:
    fine = movies.traits[:, GENRE_FACTORS:]
    assert 0.15 < likeness(fine, attributes["director"].to_pylist()) < 0.5
    assert 0.15 < likeness(fine, attributes["franchise"].to_pylist()) < 0.5
    leads = [cast[0] for cast in attributes["cast"].to_pylist()]
    assert 0.02 < likeness(fine, leads) < 0.15
    assert abs(likeness(fine, attributes["language"].to_pylist())) < 0.02
    genres = np.array(
        [[name in row for name in GENRES] for row in attributes["genres"].to_pylist()]
    )
    weights = genres / np.sqrt(genres.sum(axis=1, keepdims=True))
    fitted, *_ = np.linalg.lstsq(weights, movies.traits[:, :GENRE_FACTORS], rcond=None)
    assert np.allclose(weights @ fitted, movies.traits[:, :GENRE_FACTORS], atol=1e-4)


def test_traits_have_about_unit_length_and_genres_a_good_part_of_it(movies: Catalogue) -> None:
    squares = np.square(movies.traits)
    assert squares.sum(axis=1).mean() == pytest.approx(1, abs=0.15)
    assert 0.3 < squares[:, :GENRE_FACTORS].sum() / squares.sum() < 0.6


def test_attributes_make_sense(movies: Catalogue, attributes: pa.Table) -> None:
    joined = SLOTS.joined(movies.ids).astype("datetime64[D]")
    release = attributes["release_date"].to_numpy().astype("datetime64[D]")
    assert (release <= joined).all()
    assert (release.astype("datetime64[Y]").astype(int) + 1970 == attributes["year"]).all()
    assert ((joined - release).astype(int) < 130).mean() == pytest.approx(0.4, abs=0.05)
    counts = np.array([len(row) for row in attributes["genres"].to_pylist()])
    assert set(counts) == {1, 2, 3, 4}
    assert all(len(set(row)) == 4 for row in attributes["cast"].to_pylist())
    assert attributes["franchise"].null_count / len(counts) == pytest.approx(0.8, abs=0.03)
    for title, franchise in zip(
        attributes["title"].to_pylist(), attributes["franchise"].to_pylist(), strict=True
    ):
        assert franchise is None or title.startswith(f"{franchise}: ")


def test_few_directors_make_many_movies(attributes: pa.Table) -> None:
    counts = np.sort(np.unique(attributes["director"].to_pylist(), return_counts=True)[1])
    assert counts[-1] > 10 * np.median(counts)


def test_a_movie_is_the_same_in_any_company(movies: Catalogue, attributes: pa.Table) -> None:
    some = np.array([3999, 2, 77])
    assert movie_attributes(SLOTS, movies.ids[some]).equals(attributes.take(some))


def test_popularity_is_a_power_law_of_the_rank() -> None:
    old = catalogue(Slots(20_000, (3, "movies"), shortest=120, longest=292), DAY)
    weights = np.sort(old.log_popularity)[::-1]
    ranks = np.log(np.arange(1, 20_001))
    slope = np.polyfit(ranks[20:10_000], weights[20:10_000], 1)[0]
    assert slope == pytest.approx(-0.9, abs=0.1)


def test_popularity_decays_after_the_arrival_and_the_release() -> None:
    ids = SLOTS.arrivals(date(2026, 3, 1)).ids
    present = Present(ids, SLOTS.joined(ids))
    first = date(2026, 3, 1)
    course = [
        _log_popularity(SLOTS.scope, present, first + timedelta(days=n)).mean()
        for n in (0, 10, 30, 90, 300, 900)
    ]
    assert all(later < earlier for earlier, later in pairwise(course))
    assert course[0] - course[-1] > 1


def test_the_popular_are_somewhat_better(movies: Catalogue) -> None:
    assert movies.quality.mean() == pytest.approx(0, abs=0.06)
    assert movies.quality.std() == pytest.approx(1, abs=0.06)
    assert 0.35 < np.corrcoef(movies.quality, movies.log_popularity)[0, 1] < 0.6


def test_queries_find_the_movie(movies: Catalogue, attributes: pa.Table) -> None:
    rows = np.arange(30)
    asked = queries(SLOTS, movies.ids[rows], rows % 3).to_pylist()
    for row, query in zip(attributes.slice(0, 30).to_pylist(), asked, strict=True):
        assert query in (row["title"], row["director"], *row["genres"])


def test_every_maker_has_a_name_of_their_own() -> None:
    names = people(np.arange(5000)).to_pylist()
    assert len(set(names)) == 5000
    assert names[0] == "Ada Almeida"
    assert names[1024] == "Ada Almeida (2)"


def test_the_catalogue_of_a_day_is_who_is_present(movies: Catalogue) -> None:
    present = SLOTS.present(DAY)
    assert (movies.ids == present.ids).all()
    assert (days_since_1970(DAY) >= present.joined).all()
