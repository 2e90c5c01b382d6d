import itertools
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from movie_recommender.errors import RegistryError
from movie_recommender.ranking import Dataset, NeuMF
from movie_recommender.ranking.contacts import Person
from movie_recommender.serving.model import FILES, ServedModel
from tests.unit.serving.conftest import like_rows, manifest


def person_of(dataset: Dataset, row: int) -> Person:
    found = dataset.users.slice(row, 1).to_pylist()[0]
    return Person(found["age"], found["country"], found["device"])


def served_scores(model: ServedModel, dataset: Dataset) -> np.ndarray:
    vectors = [
        model.user_vector(
            int(user_id),
            person_of(dataset, row),
            like_rows(dataset, row),
            dataset.unliked[[row]].indices.astype(np.int64),
        )
        for row, user_id in enumerate(dataset.user_ids)
    ]
    return model.scores(np.stack(vectors))


def test_scores_are_those_that_were_evaluated(
    model: ServedModel, bundle: Path, dataset: Dataset
) -> None:
    expected = NeuMF(bundle, dataset).scores(np.arange(dataset.users.num_rows))
    assert expected.shape == (62, 42)  # two users and two movies without a like among them
    np.testing.assert_allclose(served_scores(model, dataset), expected, rtol=0, atol=1e-4)


def test_scores_of_users_who_came_later_are_those_that_were_evaluated(
    model: ServedModel, bundle: Path, later: Dataset
) -> None:
    expected = NeuMF(bundle, later).scores(np.arange(later.users.num_rows))
    np.testing.assert_allclose(served_scores(model, later), expected, rtol=0, atol=1e-4)


def test_one_by_one_as_together(model: ServedModel) -> None:
    users = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    together = model.scores(users)
    for row in range(5):
        np.testing.assert_allclose(model.scores(users[row : row + 1])[0], together[row], atol=1e-5)


def test_a_like_changes_the_vector_and_so_does_a_view(model: ServedModel) -> None:
    nothing, one = np.empty(0, np.int64), np.array([3])
    vectors = [
        model.user_vector(5, Person(), *met)
        for met in ((nothing, nothing), (one, nothing), (nothing, one))
    ]
    for first, second in itertools.combinations(vectors, 2):
        assert np.abs(first - second).max() > 1e-3


def altered(bundle: Path, tmp_path: Path, name: str, content: bytes, *, declared: bool) -> Path:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / name).write_bytes(content)
    if declared:
        manifest(copy)
    return copy


@pytest.mark.parametrize("name", ["scorer.onnx", "movies.safetensors", "contacts.safetensors"])
def test_an_altered_file_is_not_loaded(bundle: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    copy = altered(bundle, tmp_path, name, bytes(content), declared=False)
    with pytest.raises(RegistryError, match=rf"{name} was altered"):
        ServedModel(copy, version=1)


@pytest.mark.parametrize("name", ["scorer.onnx", "movies.safetensors", "popular.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 9])
def test_a_file_that_never_was_right_is_named(
    bundle: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    copy = altered(bundle, tmp_path, name, content, declared=True)
    with pytest.raises(RegistryError, match=name.replace(".", r"\.")):
        ServedModel(copy, version=1)


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._marker,)


@pytest.mark.parametrize("name", [*FILES, "MLmodel", "python_model.pkl"])
def test_a_pickle_in_any_files_place_is_never_loaded(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    marker = tmp_path / "marker"
    copy = altered(bundle, tmp_path, name, pickle.dumps(Bomb(marker)), declared=True)
    if name in FILES:
        with pytest.raises(RegistryError, match=name.replace(".", r"\.")):
            ServedModel(copy, version=1)
    else:  # nobody here looks into it
        ServedModel(copy, version=1)
    assert not marker.exists()


def test_a_missing_file_is_named(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "scorer.onnx").unlink()
    manifest(copy)
    with pytest.raises(RegistryError, match=r"doesn't name scorer\.onnx"):
        ServedModel(copy, version=1)


def test_scores_that_are_no_numbers_are_refused(bundle: Path, tmp_path: Path) -> None:
    from movie_recommender.bundle import open_tensors
    from movie_recommender.ranking.folded import Folded
    from movie_recommender.ranking.graph import scorer_graph

    tensors = open_tensors(bundle / "movies.safetensors").tensors
    weights = open_tensors(bundle / "weights.safetensors").tensors
    bias = np.where(np.arange(42) == 7, np.nan, tensors["bias"]).astype(np.float32)
    graph = scorer_graph(weights, Folded(tensors["vectors"], bias))
    copy = altered(bundle, tmp_path, "scorer.onnx", graph, declared=True)
    with pytest.raises(RegistryError, match="finite numbers"):
        ServedModel(copy, version=1)
