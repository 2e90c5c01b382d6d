import errno
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from movie_recommender import errors
from movie_recommender.orchestration import tasks
from movie_recommender.orchestration.failures import airflow_errors
from tests.unit.orchestration.rooms import Rooms

SUNDAY = datetime(2025, 6, 1, 2, tzinfo=UTC)


class TaskInstance:
    run_id = "manual__1"

    def __init__(self, **results):
        self.results = results

    def xcom_pull(self, *, task_ids):
        return self.results.get(task_ids)


def dag_run(instant=SUNDAY, conf=None):
    return SimpleNamespace(logical_date=None, run_after=instant, conf=conf)


@pytest.fixture
def rooms(monkeypatch) -> Rooms:
    return Rooms(monkeypatch)


def test_extraction_is_called_with_the_clock(rooms):
    assert tasks.extract_events() == {"lake_versions": {"interactions": 4}}
    assert datetime.now(UTC) - rooms.calls["extract"]["now"] < timedelta(seconds=10)


def test_features_are_built_from_the_versions_that_extraction_reported(rooms):
    ti = TaskInstance(extract_events={"lake_versions": {"interactions": 4}})
    tasks.compute_features(dag_run(), ti)
    assert rooms.calls["features"] == {
        "as_of": datetime(2025, 6, 1, tzinfo=UTC),
        "lake_versions": {"interactions": 4},
        "reference_id": "learned-from",
    }


def test_a_registry_that_does_not_answer_holds_no_features_up(rooms):
    rooms.raises["registry"] = errors.NotReadyError("MLflow doesn't answer")
    ti = TaskInstance(extract_events={"lake_versions": {"interactions": 4}})
    assert tasks.compute_features(dag_run(), ti)["snapshot_id"] == "snap"
    assert rooms.calls["features"]["reference_id"] is None


@pytest.mark.parametrize("day", range(7))
def test_training_gets_the_runs_date_on_each_weekday(rooms, day):
    instant = SUNDAY + timedelta(days=day, hours=21, minutes=59)
    assert (
        tasks.train_model(dag_run(instant), {"force_train": False}, "scheduled__1")["version"] == 7
    )
    assert rooms.calls["training"] == {
        "as_of": datetime(2025, 6, 1 + day, tzinfo=UTC),
        "run_date": date(2025, 6, 1 + day),
        "force": False,
        "request_id": "scheduled__1",
    }
    assert rooms.calls["training"]["run_date"].weekday() == (6 + day) % 7


@pytest.mark.parametrize(
    ("params", "conf", "forced"),
    [
        ({"force_train": False}, None, False),
        ({"force_train": True}, None, True),
        ({"force_train": False}, {"force_train": True}, True),
        ({}, {}, False),
        ({"force_train": "false"}, {"force_train": "yes"}, False),
    ],
)
def test_training_is_forced_by_params_or_conf(params, conf, forced):
    assert tasks.training_forced(params, conf) is forced


def test_the_evaluated_and_promoted_version_is_the_one_of_training(rooms):
    ti = TaskInstance(train_model={"version": 7})
    tasks.evaluate_model(dag_run(), ti)
    tasks.deploy_model(ti)
    assert rooms.calls["evaluation"]["version"] == 7
    assert rooms.calls["registry"] == {"version": 7}


@pytest.mark.parametrize(("passed", "chosen"), [(True, "deploy_model"), (False, "skip_deploy")])
def test_the_check_follows_the_gate_and_logs_each_reason(passed, chosen, caplog):
    caplog.set_level("INFO")
    reason = {"rule": "auc", "value": 0.7, "threshold": 0.75, "passed": passed}
    gate = {"passed": passed, "reasons": [reason]}
    assert tasks.deploy_model_check(TaskInstance(evaluate_model={"gate": gate})) == chosen
    assert f"gate rule=auc value=0.7 threshold=0.75 passed={passed}" in caplog.text


def test_a_missing_result_names_the_task_to_clear():
    with pytest.raises(errors.NotReadyError, match=r"evaluate_model of run manual__1.*Clear"):
        tasks.deploy_model_check(TaskInstance())


def test_a_wrong_setting_fails_at_once_with_its_name(monkeypatch, rooms):
    monkeypatch.setenv("GATE_MIN_AUC", "2")
    with pytest.raises(AirflowFailException, match="GATE_MIN_AUC='2'"):
        tasks.extract_events()


@pytest.mark.parametrize(
    "error", [errors.ConfigurationError, errors.InputDataError, errors.OffsetGapError]
)
def test_what_a_retry_cant_help_fails_at_once_with_the_message(error):
    with pytest.raises(AirflowFailException, match="what to do"), airflow_errors():
        raise error("what to do")  # noqa: EM101


@pytest.mark.parametrize("error", [errors.NotReadyError, errors.ConcurrentWriteError, ValueError])
def test_what_a_retry_can_help_is_retried(error):
    with pytest.raises(error), airflow_errors():
        raise error


def test_a_full_disk_is_said_in_a_sentence_and_retried():
    with pytest.raises(errors.StorageError, match=r"disk is full: writing /data/x.*Free space"):
        with airflow_errors():
            raise OSError(errno.ENOSPC, "No space left on device", "/data/x")


def test_other_system_errors_stay_what_they_are():
    with pytest.raises(PermissionError), airflow_errors():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/x")
