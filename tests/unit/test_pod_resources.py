import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.pod_resources import PodResources, parse
from movie_recommender.settings import load_settings, task_resources

TRAINING = '{"train_model": {"cpu": "500m", "memory": "16Gi", "gpu": 1}, "extract_events": {}}'


def test_what_is_not_said_is_left_to_the_pod_template() -> None:
    assert parse(TRAINING) == {
        "train_model": PodResources(cpu="500m", memory="16Gi", gpu=1),
        "extract_events": PodResources(cpu=None, memory=None, gpu=0),
    }


WRONG = [
    "4 cores",
    "[]",
    '{"train_model": "4"}',
    '{"train_model": {"cores": "4"}}',
    '{"train_model": {"cpu": 4}}',
    '{"train_model": {"cpu": "four"}}',
    '{"train_model": {"memory": "16 GB"}}',
    '{"train_model": {"gpu": "1"}}',
    '{"train_model": {"gpu": true}}',
    '{"train_model": {"gpu": -1}}',
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_stops_the_task_and_not_the_dag(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_RESOURCES", wrong)
    with pytest.raises(ConfigurationError, match=r'TASK_RESOURCES=.*as in {"train_model"'):
        load_settings()
    assert task_resources() == {}


def test_the_environment_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASK_RESOURCES", raising=False)
    assert task_resources() == {}
    monkeypatch.setenv("TASK_RESOURCES", TRAINING)
    assert task_resources() == parse(load_settings().task_resources)
