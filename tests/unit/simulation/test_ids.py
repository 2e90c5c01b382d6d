import numpy as np
import pytest

from movie_recommender.simulation.ids import event_ids, event_ids_of, hashes, normals, uniforms

IDS = np.arange(1, 20_001)


def test_numbers_of_an_id_do_not_depend_on_the_others() -> None:
    assert (uniforms(IDS, 3, 1, "a")[500:510] == uniforms(IDS[500:510], 3, 1, "a")).all()
    assert (normals(IDS, 3, 1, "a")[7:8] == normals(IDS[7:8], 3, 1, "a")).all()


def test_other_scopes_and_lanes_give_other_numbers() -> None:
    assert not (hashes(IDS, 1, 1, "a") == hashes(IDS, 1, 2, "a")).any()
    assert len(np.unique(hashes(IDS, 4, 1, "a"))) == 4 * len(IDS)


def test_uniforms_fill_the_open_interval_evenly() -> None:
    values = uniforms(IDS, 2, 3)
    assert ((values > 0) & (values < 1)).all()
    counts = np.histogram(values, bins=10, range=(0, 1))[0]
    assert counts == pytest.approx(np.full(10, values.size / 10), rel=0.05)
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.03


def test_normals_are_standard_and_independent() -> None:
    values = normals(IDS, 5, 3)
    assert values.shape == (len(IDS), 5)
    assert values.mean(axis=0) == pytest.approx(np.zeros(5), abs=0.03)
    assert values.std(axis=0) == pytest.approx(np.ones(5), abs=0.03)
    assert abs(np.corrcoef(values.T) - np.eye(5)).max() < 0.03
    assert (np.abs(values) > 3).mean() == pytest.approx(0.0027, abs=0.001)


def test_nobody_has_no_numbers() -> None:
    assert normals(IDS[:0], 3, 1).shape == (0, 3)


def test_event_ids_are_those_of_the_keys() -> None:
    assert event_ids(5, "x").to_pylist() == event_ids_of(np.arange(5), "x").to_pylist()
    assert event_ids_of(np.array([4]), "x")[0] == event_ids(5, "x")[4]
