"""Lists of a catalogue that is ranked in two stages."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from movie_recommender.bundle import open_tensors, read_manifest
from movie_recommender.ranking import Dataset, two_stages
from movie_recommender.ranking.contacts import Person
from movie_recommender.ranking.folded import Folded
from movie_recommender.ranking.shortlist import SHORTLIST, Shortlist
from movie_recommender.ranking.two_stages import write_shortlist
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.seen import Known, known_from
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import begin, write_bundle
from tests.unit.serving.conftest import manifest
from tests.unit.worlds import END, frame_table, movies_table, users_table

N_USERS, N_MOVIES = 120, 12_000


@pytest.fixture(scope="module")
def wide() -> Dataset:
    """Of many movies each user likes some in his own part of the catalogue."""
    rng = np.random.default_rng(0)
    liked = [
        (user, int(movie), 1.0 + place, int(place > 3))
        for user in range(N_USERS)
        for place, movie in enumerate(rng.choice(400, 30, replace=False) + 100 * (user % 110))
    ]
    users, movies = users_table(N_USERS), movies_table(N_MOVIES)
    return Dataset.before(END, frame_table(liked), users=users, movies=movies)


def bundle_of(dataset: Dataset, directory: Path, *, tower: float) -> dict[str, float]:
    """An untrained model whose tower adds as much as `tower` says, and what was measured."""
    fitted = begin(dataset, TrainingConfig(dim=16, threads=1))
    with torch.no_grad():
        fitted.model.mlp_out.normal_(0.0, tower, generator=torch.Generator().manual_seed(0))
    measured = write_bundle(directory, fitted)
    manifest(directory)
    return measured


@pytest.fixture(scope="module")
def large(wide: Dataset, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    directory = tmp_path_factory.mktemp("large") / "bundle"
    measured = bundle_of(wide, directory, tower=0.3)
    assert measured["search_recall_at_10"] >= 0.99
    model = ServedModel(directory, version=1)
    assert model.shortlist is not None
    assert measured["search_shortlist"] == model.shortlist.size(10)
    return model


@pytest.fixture
def exact(large: ServedModel, monkeypatch: pytest.MonkeyPatch) -> ServedModel:
    """The same model, which ranks in one stage."""
    monkeypatch.setattr(large, "shortlist", None)
    return large


def lists(model: ServedModel, dataset: Dataset, query: Query) -> list[tuple[list[int], np.ndarray]]:
    users = dataset.user_ids.tolist()
    rankings = [rank(model, user, known_from(model.contacts, user), query) for user in users]
    return [(ranking.rows.tolist(), ranking.scores) for ranking in rankings]


def test_two_stages_find_what_one_finds(large: ServedModel, wide: Dataset) -> None:
    query = Query(k=10)
    two = lists(large, wide, query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "shortlist", None)
        one = lists(large, wide, query)
    found = [len(set(a) & set(b)) / 10 for (a, _), (b, _) in zip(two, one, strict=True)]
    assert np.mean(found) >= 0.99
    same = [(a, b) for a, b in zip(two, one, strict=True) if a[0] == b[0]]
    assert len(same) > N_USERS / 2
    for (_, scores), (_, expected) in same:
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_left", [0, 3, 10, 200])
def test_lists_that_are_filtered_stay_full(
    large: ServedModel, monkeypatch: pytest.MonkeyPatch, n_left: int
) -> None:
    allowed = np.zeros(N_MOVIES, np.bool_)
    allowed[-n_left or N_MOVIES :] = True
    monkeypatch.setattr(large, "allowed", lambda *_: allowed)
    ranking = rank(large, 1, known_from(large.contacts, 1), Query(k=10))
    assert len(ranking.rows) == min(10, n_left)
    assert allowed[ranking.rows].all()
    assert ("cut to" in ranking.reason) == (n_left < 10)
    scores = ranking.scores.tolist()
    assert scores == sorted(scores, reverse=True)


def test_a_filtered_list_is_the_best_of_what_is_left(
    large: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So few are left that the shortlist holds them all."""
    allowed = np.arange(N_MOVIES) >= N_MOVIES - 200
    monkeypatch.setattr(large, "allowed", lambda *_: allowed)
    who = known_from(large.contacts, 1)
    two = rank(large, 1, who, Query(k=10))
    monkeypatch.setattr(large, "shortlist", None)
    assert two.rows.tolist() == rank(large, 1, who, Query(k=10)).rows.tolist()


def test_what_was_seen_stays_out(large: ServedModel) -> None:
    first = rank(large, 1, known_from(large.contacts, 1), Query(k=10))
    ids = large.catalogue.movie_ids
    who = known_from(large.contacts, 1)
    seen = Known(Person(), who.liked, np.concatenate([who.unliked, ids[first.rows]]), ("", 1))
    again = rank(large, 1, seen, Query(k=10))
    assert len(again.rows) == 10
    assert not set(again.rows.tolist()) & set(large.rows(seen.seen).tolist())


def test_a_long_list_is_ranked_in_one_stage(large: ServedModel) -> None:
    assert large.shortlist is not None
    assert large.shortlist.size(10) is not None
    assert large.shortlist.size(1000) is None
    assert len(rank(large, 1, known_from(large.contacts, 1), Query(k=1000)).rows) == 1000


def test_a_tower_that_is_no_line_keeps_lists_exact(wide: Dataset, tmp_path: Path) -> None:
    directory = tmp_path / "bundle"
    fitted = begin(wide, TrainingConfig(dim=16, threads=1))
    with torch.no_grad():
        for name in ("mlp_user", "mlp_movie", "mlp_hidden", "mlp_out"):
            parameter = getattr(fitted.model, name)
            parameter.normal_(0.0, 5.0, generator=torch.Generator().manual_seed(1))
    measured = write_bundle(directory, fitted)
    manifest(directory)
    assert measured["search_recall_at_10"] < 0.99
    assert measured["search_shortlist"] == 0
    assert SHORTLIST not in read_manifest(directory).files
    assert ServedModel(directory, version=1).shortlist is None


def test_the_rough_scores_are_exact_where_the_tower_is_a_line(
    large: ServedModel, wide: Dataset
) -> None:
    weights = {name: np.array(tensor) for name, tensor in large.weights.items()}
    weights["mlp_bias"] += 1000.0  # every unit is on, for every user and movie
    weights["mlp_hidden"] = np.abs(weights["mlp_hidden"])
    folded = Folded(np.array(large.movies), np.array(large.bias))
    users = np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)
    shortlist = Shortlist.of(weights, folded, users)
    for user, expected in zip(users, folded.scores(weights, users), strict=True):
        gap = shortlist.scores(weights, user) - expected
        np.testing.assert_allclose(gap, gap.mean(), rtol=0, atol=5e-2)


def test_fewer_dimensions_tell_what_lies_in_them(large: ServedModel) -> None:
    """Movies that lie in a plane of few dimensions, and users who weigh them unequally."""
    rng = np.random.default_rng(2)
    weights = {name: np.array(tensor) for name, tensor in large.weights.items()}
    vectors = (rng.normal(size=(N_MOVIES, 3)) @ rng.normal(size=(3, 16))).astype(np.float32)
    folded = Folded(vectors, np.array(large.bias))
    users = (rng.normal(size=(40, 16)) * np.geomspace(0.01, 10, 16)).astype(np.float32)
    whole = Shortlist.of(weights, folded, users)
    # 3 of the vectors, which are those of the halves, and the bias, which is the popularity's too.
    few, fewer = (whole.narrowed(weights, users, n) for n in (4, 2))
    assert few.table.shape == (4, N_MOVIES)
    for user in users:
        expected = whole.scores(weights, user)
        spread = expected.std()
        assert abs(few.scores(weights, user) - expected).max() < 1e-3 * spread
    gaps = [fewer.scores(weights, user) - whole.scores(weights, user) for user in users]
    assert np.std(gaps) > 0.05


def test_a_bundle_says_in_how_many_dimensions_it_is_searched(
    wide: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an untrained model popularity alone decides, and that is one dimension."""
    monkeypatch.setattr(two_stages, "DIMENSIONS", (1,))
    measured = bundle_of(wide, tmp_path / "bundle", tower=0.3)
    model = ServedModel(tmp_path / "bundle", version=1)
    assert model.shortlist is not None
    assert measured["search_dimensions"] == len(model.shortlist.table) == 1
    query = Query(k=10)
    two = lists(model, wide, query)
    monkeypatch.setattr(model, "shortlist", None)
    one = lists(model, wide, query)
    found = [len(set(a) & set(b)) / 10 for (a, _), (b, _) in zip(two, one, strict=True)]
    assert np.mean(found) >= 0.99


def test_a_small_catalogue_has_no_shortlist(bundle: Path, dataset: Dataset, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    weights = open_tensors(copy / "weights.safetensors").tensors
    movies = open_tensors(copy / "movies.safetensors").tensors
    folded = Folded(movies["vectors"], movies["bias"])
    assert write_shortlist(copy, dataset, weights, folded) == {}
    assert not (copy / SHORTLIST).exists()
