from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from movie_recommender.errors import InputDataError, StorageError
from movie_recommender.simulation.audience import audience
from movie_recommender.simulation.catalogue import catalogue
from movie_recommender.simulation.truth import Truth, oracle_ranking, truth, write_truth
from movie_recommender.simulation.world import affinity, make_world

DAY = date(2026, 3, 1)
WORLD = make_world(7, 200, 300)


@pytest.fixture(scope="module")
def known() -> Truth:
    return truth(WORLD, DAY)


def test_inner_products_are_the_affinities_by_which_users_choose(known: Truth) -> None:
    present, movies = WORLD.users.present(DAY), catalogue(WORLD.movies, DAY)
    users = audience(WORLD.users.scope, present.ids, DAY)
    expected = affinity(users, movies, np.broadcast_to(np.arange(300), (200, 300)))
    product = known.user_vector @ known.movie_vector.T
    by_user, by_movie = np.argsort(present.ids), np.argsort(movies.ids)
    assert (known.user_id == present.ids[by_user]).all()
    assert (known.movie_id == movies.ids[by_movie]).all()
    assert np.allclose(product, expected[by_user][:, by_movie], atol=1e-5)
    assert known.user_vector.dtype == known.movie_vector.dtype == np.float32


def test_the_oracle_ranks_by_affinity(known: Truth) -> None:
    user = int(known.user_id[3])
    ranking = oracle_ranking(known, user, 10)
    values = known.movie_vector @ known.user_vector[3]
    assert ranking["rank"].to_pylist() == list(range(1, 11))
    assert ranking["affinity"].to_pylist() == sorted(values.tolist(), reverse=True)[:10]
    assert ranking["movie_id"][0].as_py() == known.movie_id[values.argmax()]
    assert oracle_ranking(known, user, 1000).num_rows == 300


def test_a_user_who_is_not_there_is_refused(known: Truth) -> None:
    for user in (0, int(known.user_id[-1]) + 1):
        with pytest.raises(InputDataError, match=f"User {user} isn't in the world"):
            oracle_ranking(known, user, 3)


def test_what_is_written_is_what_is_known(known: Truth, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "truth"
    for _ in range(2):
        users, movies = write_truth(known, target)
        assert sorted(path.name for path in target.iterdir()) == ["movies.parquet", "users.parquet"]
    for path, name, ids, vectors in (
        (users, "user_id", known.user_id, known.user_vector),
        (movies, "movie_id", known.movie_id, known.movie_vector),
    ):
        table = pq.read_table(path)
        assert (table[name].to_numpy() == ids).all()
        assert (np.array(table["vector"].to_pylist(), np.float32) == vectors).all()


def test_a_file_in_the_place_of_the_folder_is_named(known: Truth, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken"):
        write_truth(known, tmp_path / "taken")
