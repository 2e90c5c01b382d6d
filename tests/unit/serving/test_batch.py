from pathlib import Path

import pyarrow.parquet as pq
import pytest

from movie_recommender.errors import InputDataError
from movie_recommender.serving import batch
from movie_recommender.serving.batch import recommend_all, write_lists
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.seen import known_from
from movie_recommender.settings import load_settings
from tests.unit.serving.conftest import N_USERS


def test_everybodys_list_is_the_servers(
    model: ServedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "USERS_AT_ONCE", 10)  # the last part is smaller
    path = tmp_path / "lists.parquet"
    result = write_lists(model, model.contacts, path, k=40)
    assert (result.users, result.k, result.model_version) == (N_USERS, 40, 1)
    rows = pq.read_table(path).to_pylist()
    assert [row["user_id"] for row in rows] == model.contacts.user_ids.tolist()
    for row in rows:
        user_id = row["user_id"]
        ranking = rank(model, user_id, known_from(model.contacts, user_id), Query(k=40))
        assert row["movie_ids"] == model.catalogue.movie_ids[ranking.rows].tolist()
        assert row["scores"] == ranking.scores.tolist()
        assert row["reason"] == ranking.reason
    reasons = {row["reason"].partition(";")[0] for row in rows}
    assert (
        reasons == {"personal", "popular in country DE", "popular in age group 0"}
        or len(reasons) > 1
    )


def test_the_file_says_what_it_was_made_from(model: ServedModel, tmp_path: Path) -> None:
    path = tmp_path / "lists.parquet"
    write_lists(model, model.contacts, path, k=3)
    metadata = pq.read_schema(path).metadata
    assert metadata[b"model_version"] == b"1"
    assert metadata[b"model_name"] == b"m"
    assert metadata[b"snapshot_id"] == model.contacts.snapshot_id.encode()
    assert metadata[b"as_of"] == model.contacts.as_of.encode()
    assert metadata[b"k"] == b"3"


def test_a_failure_leaves_the_file_before(
    model: ServedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lists.parquet"
    write_lists(model, model.contacts, path, k=3)
    before = path.read_bytes()
    ranked = 0

    def fails(*arguments: object) -> object:
        nonlocal ranked
        ranked += 1
        if ranked > 30:
            raise KeyboardInterrupt
        return rank(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "rank", fails)
    monkeypatch.setattr(batch, "USERS_AT_ONCE", 10)
    with pytest.raises(KeyboardInterrupt):
        write_lists(model, model.contacts, path, k=5)
    assert ranked == 31
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("k", [0, 1001])
def test_a_length_that_no_list_has(tmp_path: Path, k: int) -> None:
    with pytest.raises(InputDataError, match=f"k={k}: a list has 1 to 1000"):
        recommend_all(load_settings(), tmp_path / "lists.parquet", k=k)
